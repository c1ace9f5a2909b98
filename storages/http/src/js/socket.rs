//! A WebSocket.

use core::pin::pin;
use core::task::{Context, Poll};

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, select};
use js_sys::{Array, Reflect};
use wasm_bindgen::prelude::*;

use super::global::WebSocket;
use super::place::{Place, protocol};
use super::sleep;
use crate::watch::{Heard, Trouble};

/// The longest message, in characters. A lease with its value has less than a tenth of that.
const MESSAGE: usize = 512 * 1024;

pub(crate) struct Socket {
    socket: WebSocket,
    events: UnboundedReceiver<Event>,
    listeners: Vec<(&'static str, Listener)>,
}

type Listener = Closure<dyn FnMut(JsValue)>;

enum Event {
    Open,
    Text(String),
    Over,
}

/// A new connection.
pub(crate) async fn connect(place: &Place) -> Result<Socket, Trouble> {
    let authorization = place.token.newest().await.map_err(|_| Trouble::Passing)?;
    let protocols = Array::of2(&"lessor.v1".into(), &protocol(&authorization).into());
    // What is no URL for a socket will be none the next time.
    let socket = WebSocket::open(&place.url, &protocols).map_err(|_| Trouble::Lasting)?;
    let mut socket = Socket::of(socket);
    // Why there is none no page is told.
    match select(pin!(socket.events.next()), sleep(place.timeout)).await {
        Either::Left((Some(Event::Open), _)) => {}
        _ => return Err(Trouble::Passing),
    }
    Ok(socket)
}

impl Socket {
    fn of(socket: WebSocket) -> Self {
        let (tell, events) = unbounded();
        let listener = |name, event: fn(JsValue) -> Option<Event>| {
            let tell = tell.clone();
            let act = Listener::new(move |what| {
                if let Some(event) = event(what) {
                    // Nobody listens any more when it is dropped.
                    let _ = tell.unbounded_send(event);
                }
            });
            (name, act)
        };
        let listeners = vec![
            listener("open", |_| Some(Event::Open)),
            listener("message", |message| {
                let text = Reflect::get(&message, &"data".into()).ok()?.as_string()?;
                Some(if text.len() > MESSAGE { Event::Over } else { Event::Text(text) })
            }),
            listener("close", |_| Some(Event::Over)),
        ];
        for (name, act) in &listeners {
            socket.on(name, act.as_ref().unchecked_ref());
        }
        Self { socket, events, listeners }
    }

    /// Whether it could be sent.
    pub(crate) async fn send(&mut self, text: String) -> bool {
        self.socket.send(&text).is_ok()
    }

    pub(crate) fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        self.events.poll_next_unpin(cx).map(|event| match event {
            Some(Event::Text(text)) => Heard::Text(text),
            Some(Event::Open) => Heard::Alive,
            Some(Event::Over) | None => Heard::Lost,
        })
    }

    /// It is over, whether that was said or not.
    pub(crate) async fn close(&mut self) {
        let _ = self.socket.close();
    }
}

/// A connection that is given up would stay open, and call what is gone.
impl Drop for Socket {
    fn drop(&mut self) {
        for (name, act) in &self.listeners {
            self.socket.off(name, act.as_ref().unchecked_ref());
        }
        let _ = self.socket.close();
    }
}
