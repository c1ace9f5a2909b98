//! Calls from a Worker to the objects.

use lessor::wire::{Ask, Problem, Told};
use serde::Deserialize;
use worker::{Env, Error, Headers, Method, Request, RequestInit, Response};

use crate::object::Errand;
use crate::problem::Kind;

/// The name of the binding to the namespace of [`LeaseObject`](crate::LeaseObject)s.
pub(crate) const BINDING: &str = "LEASES";

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Told(Vec<Told>),
}

/// Sends an errand to the object of this name.
pub(crate) async fn object(env: &Env, name: &str, errand: &Errand) -> Result<Vec<u8>, Problem> {
    let sent = async {
        let mut response = send(env, name, errand).await?;
        response.bytes().await
    };
    sent.await.map_err(|error| problem(&error))
}

/// Sends operations to the object of this name.
pub(crate) async fn ask(env: &Env, name: &str, asks: Vec<Ask>) -> Result<Vec<Told>, Problem> {
    let count = asks.len();
    let body = object(env, name, &Errand::Ask(asks)).await?;
    match serde_json::from_slice(&body) {
        Ok(Answer::Told(told)) if told.len() == count => Ok(told),
        _ => Err(Kind::Failed.because("the object's answer does not fit the request")),
    }
}

async fn send(env: &Env, name: &str, errand: &Errand) -> Result<Response, Error> {
    let stub = env.durable_object(BINDING)?.get_by_name(name)?;
    let mut init = RequestInit::new();
    let body = serde_json::to_string(errand)?;
    init.with_method(Method::Post).with_headers(Headers::new()).with_body(Some(body.into()));
    let response = stub.fetch_with_request(Request::new_with_init("https://object/", &init)?).await?;
    match response.status_code() {
        200 => Ok(response),
        status => Err(Error::RustError(format!("the object answered {status}"))),
    }
}

/// What the platform says of an object that does not answer. Whether it did what it was asked is open.
fn problem(error: &Error) -> Problem {
    let text = error.to_string();
    worker::console_error!("{text}");
    let overloaded = ["overloaded", "exceeded", "too many"].iter().any(|word| text.to_lowercase().contains(word));
    if overloaded {
        Kind::Overloaded.because("the object is overloaded")
    } else {
        Kind::Failed.because("the object failed")
    }
}
