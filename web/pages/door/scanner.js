/** Codes from the camera: by the browser's own detector, else by jsQR. */
import { useEffect, useRef, useState } from "../../vendor/hooks.js";
import { html } from "../../core/html.js";
import { t } from "../../core/i18n.js";
import { Button, Note } from "../../parts/ui.js";

const LOOK_MILLISECONDS = 150;
/** Wide enough for a code held before the camera, and quick to read. */
const READ_WIDTH = 640;

/** @returns {Promise<(video: HTMLVideoElement) => Promise<string>>} finds the text of a code, or "" */
async function reader() {
  const Detector = /** @type {any} */ (globalThis).BarcodeDetector;
  if (Detector && (await Detector.getSupportedFormats()).includes("qr_code")) {
    const detector = new Detector({ formats: ["qr_code"] });
    return async (video) => (await detector.detect(video))[0]?.rawValue ?? "";
  }
  const { default: jsQR } = await import("../../vendor/jsqr.js");
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return async (video) => {
    if (!context || !video.videoWidth) return "";
    canvas.width = READ_WIDTH;
    canvas.height = Math.round((video.videoHeight * READ_WIDTH) / video.videoWidth);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    return jsQR(data, width, height)?.data ?? "";
  };
}

/** @param {{onCode: (text: string) => void}} props */
export function Scanner({ onCode }) {
  const video = useRef(/** @type {HTMLVideoElement | null} */ (null));
  const [on, setOn] = useState(false);
  const [fault, setFault] = useState("");
  const heard = useRef(onCode);
  heard.current = onCode;
  useEffect(() => {
    if (!on) return undefined;
    let gone = false;
    /** @type {MediaStream | undefined} */
    let stream;
    /** @type {WakeLockSentinel | undefined} */
    let lock;
    void (async () => {
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
        const read = await reader();
        lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
        const element = video.current;
        if (!element || gone) return;
        element.srcObject = stream;
        await element.play();
        while (!gone) {
          const text = await read(element).catch(() => "");
          if (text && !gone) heard.current(text);
          await new Promise((done) => setTimeout(done, LOOK_MILLISECONDS));
        }
      } catch {
        if (gone) return;
        setFault(t("The camera can't be used. Allow it in the browser, or type the code."));
        setOn(false);
      } finally {
        if (gone) stream?.getTracks().forEach((track) => track.stop());
      }
    })();
    return () => {
      gone = true;
      stream?.getTracks().forEach((track) => track.stop());
      void lock?.release();
    };
  }, [on]);
  return html`
    ${fault && html`<${Note} kind="warn">${fault}<//>`}
    ${on && html`<video class="camera" ref=${video} muted playsinline aria-label=${t("Picture of the camera")}></video>`}
    <${Button} onClick=${() => setOn(!on)} aria-pressed=${on ? "true" : "false"}>${on ? t("Stop the camera") : t("Scan with the camera")}<//>
  `;
}
