//! What every host of JavaScript has: pages, workers, Node, Deno, Bun.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = globalThis, catch)]
    pub(super) fn fetch(url: &str, options: &Object) -> Result<Promise, JsValue>;

    pub(super) type Response;
    #[wasm_bindgen(method, getter)]
    pub(super) fn status(this: &Response) -> u16;
    #[wasm_bindgen(method, getter)]
    pub(super) fn headers(this: &Response) -> Headers;
    /// None where there is nothing to read.
    #[wasm_bindgen(method, getter)]
    pub(super) fn body(this: &Response) -> Option<Body>;

    pub(super) type Headers;
    #[wasm_bindgen(method)]
    pub(super) fn get(this: &Headers, name: &str) -> Option<String>;

    pub(super) type Body;
    #[wasm_bindgen(method, js_name = getReader)]
    pub(super) fn reader(this: &Body) -> Reader;

    pub(super) type Reader;
    #[wasm_bindgen(method)]
    pub(super) fn read(this: &Reader) -> Promise;

    pub(super) type Chunk;
    #[wasm_bindgen(method, getter)]
    pub(super) fn done(this: &Chunk) -> bool;
    #[wasm_bindgen(method, getter)]
    pub(super) fn value(this: &Chunk) -> Uint8Array;

    pub(super) type AbortController;
    #[wasm_bindgen(constructor)]
    pub(super) fn new() -> AbortController;
    #[wasm_bindgen(method, getter)]
    pub(super) fn signal(this: &AbortController) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn abort(this: &AbortController);

    pub(super) type WebSocket;
    #[wasm_bindgen(constructor, catch)]
    pub(super) fn open(url: &str, protocols: &Array) -> Result<WebSocket, JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn send(this: &WebSocket, text: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn close(this: &WebSocket) -> Result<(), JsValue>;
    #[wasm_bindgen(method, js_name = addEventListener)]
    pub(super) fn on(this: &WebSocket, event: &str, act: &Function);
    #[wasm_bindgen(method, js_name = removeEventListener)]
    pub(super) fn off(this: &WebSocket, event: &str, act: &Function);
}

/// Whether there are sockets here: Node has them since version 22.
pub(super) fn has_sockets() -> bool {
    Reflect::has(&js_sys::global(), &"WebSocket".into()).unwrap_or_default()
}

/// Where a page is from. Nothing where there is none.
pub(super) fn origin() -> Option<String> {
    let origin = Reflect::get(&js_sys::global(), &"origin".into()).ok()?;
    origin.as_string().filter(|origin| origin.starts_with("http"))
}

/// An object with these properties.
pub(super) fn object<'a>(properties: impl IntoIterator<Item = (&'a str, JsValue)>) -> Object {
    let entries: Array = properties.into_iter().map(|(name, value)| Array::of2(&name.into(), &value)).collect();
    Object::from_entries(&entries).unwrap_or_default()
}

/// What was thrown, and why, for people.
pub(super) fn said(error: &JsValue) -> String {
    let text = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok().and_then(|text| text.as_string());
    let message = text(error, "message").unwrap_or_else(|| format!("{error:?}"));
    // Node says what happened only there.
    let cause = Reflect::get(error, &"cause".into()).ok().and_then(|cause| text(&cause, "message"));
    cause.map_or_else(|| message.clone(), |cause| format!("{message}: {cause}"))
}
