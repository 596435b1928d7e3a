/** What the door does for the ears and the hand: a tone and a buzz for each verdict. */
import { preference } from "../../core/preferences.js";

export const sound = preference("door-sound", "on", /** @type {const} */ (["on", "off"]));

/** @type {AudioContext | null} */
let audio = null;

/** @param {boolean} good a short high tone; else two long low ones */
export function signalVerdict(good) {
  navigator.vibrate?.(good ? 80 : [200, 100, 200]);
  if (sound.value === "off" || !("AudioContext" in globalThis)) return;
  audio ??= new AudioContext();
  const tones = good ? [[880, 0, 0.15]] : [[220, 0, 0.25], [180, 0.3, 0.35]];
  for (const [frequency = 0, from = 0, length = 0] of tones) {
    const oscillator = audio.createOscillator();
    const volume = audio.createGain();
    oscillator.frequency.value = frequency;
    volume.gain.value = 0.2;
    oscillator.connect(volume).connect(audio.destination);
    oscillator.start(audio.currentTime + from);
    oscillator.stop(audio.currentTime + from + length);
  }
}
