import base64 from "../core/base64.js";
import { initSync } from "../core/lessor.js";

initSync({ module: Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)) });
