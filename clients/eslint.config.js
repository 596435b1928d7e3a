/** The lint of the web page's modules. */
const READ_ONLY = "readonly";
const NAMES = [
  "AbortController", "AbortSignal", "AudioContext", "Blob", "BroadcastChannel", "CSS", "CustomEvent", "DOMException", "DOMMatrix",
  "Element", "Event", "File", "FileReader", "FormData", "HTMLCanvasElement", "HTMLDialogElement", "HTMLElement", "HTMLFormElement",
  "HTMLInputElement", "HTMLVideoElement", "Image", "ImageData", "IntersectionObserver", "Intl", "KeyboardEvent", "Notification",
  "MouseEvent", "MutationObserver", "OffscreenCanvas", "Path2D", "PerformanceObserver", "PointerEvent", "Request", "ResizeObserver", "Response",
  "SVGElement", "TextDecoder", "TextDecoderStream", "TextEncoder", "TouchEvent", "URL", "URLSearchParams", "WheelEvent",
  "addEventListener", "atob", "btoa", "caches", "cancelAnimationFrame", "clearInterval", "clearTimeout", "clients", "confirm", "console",
  "createImageBitmap", "crypto", "devicePixelRatio", "document", "fetch", "getComputedStyle", "history", "indexedDB",
  "innerHeight", "innerWidth", "localStorage", "location", "matchMedia", "navigator", "performance", "queueMicrotask",
  "removeEventListener", "requestAnimationFrame", "scrollTo", "self", "setInterval", "setTimeout", "structuredClone", "window",
  "IDBKeyRange", "Worker", "postMessage", "URLPattern", "screen",
];

export default [
  { ignores: ["**/vendor/**"] },
  {
    files: ["**/*.js"],
    languageOptions: {
      ecmaVersion: "latest",
      sourceType: "module",
      globals: Object.fromEntries(NAMES.map((name) => [name, READ_ONLY])),
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      eqeqeq: "error",
      "no-array-constructor": "error",
      "no-constant-binary-expression": "error",
      "no-dupe-keys": "error",
      "no-eval": "error",
      "no-fallthrough": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-promise-executor-return": "off",
      "no-self-compare": "error",
      "no-template-curly-in-string": "error",
      "no-undef": "error",
      "no-unreachable": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", caughtErrorsIgnorePattern: "^_" }],
      "no-useless-return": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "require-atomic-updates": "off",
    },
  },
];
