/** A file that only whoever is logged in may see, shown in their page. */
import { useEffect, useState } from "../vendor/hooks.js";
import { file } from "../core/api.js";

/**
 * Where an element of this page finds a file of the API; its own request would not say who asks.
 *
 * @param {string | null | undefined} path
 * @returns {{address: string, failed: boolean}} an empty address: it is not here yet
 */
export function useFile(path) {
  const [address, setAddress] = useState("");
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let made = "";
    let gone = false;
    setAddress("");
    setFailed(false);
    if (path) {
      file(path).then(
        (blob) => {
          if (gone) return;
          made = URL.createObjectURL(blob);
          setAddress(made);
        },
        () => gone || setFailed(true),
      );
    }
    return () => {
      gone = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [path]);
  return { address, failed };
}
