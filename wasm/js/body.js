// Bodies: read to their end, unless they are too long.

/** The longest body that is read, in bytes. */
const BODY = 512 * 1024;

const STRICT = { fatal: true, ignoreBOM: true };
/** For whole texts. Made once: making it takes time. */
const DECODER = new TextDecoder("utf-8", STRICT);

/** The body of a request or an answer; nothing if it is too long; throws if it is no text. */
export async function read(from) {
  const length = from.headers.get("content-length");
  if (length !== null && length <= BODY) return DECODER.decode(await from.arrayBuffer());
  const decoder = new TextDecoder("utf-8", STRICT);
  let text = "";
  let bytes = 0;
  // What is a little too long is read to its end, or the client would be cut off before it hears why.
  for await (const chunk of from.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > 16 * BODY) break;
    if (bytes <= BODY) text += decoder.decode(chunk, { stream: true });
  }
  return bytes <= BODY ? text + decoder.decode() : undefined;
}
