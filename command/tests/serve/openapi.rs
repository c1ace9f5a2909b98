//! `openapi.json`: it says what the API's own page says, and what is answered is as it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use lessor_served::{ADMIN, Answer, READER, Server as _};
use serde_json::{Value, json};

use crate::running::{Running, Setting};

const DESCRIPTION: &str = include_str!("../../openapi.json");

fn description() -> Value {
    serde_json::from_str(DESCRIPTION).unwrap()
}

fn api() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm/API.md")).unwrap()
}

/// What stands between two headings.
fn section<'a>(api: &'a str, heading: &str) -> &'a str {
    let rest = api.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("there is no {heading}")).1;
    rest.split("\n## ").next().unwrap()
}

fn schema(description: &Value, name: &str) -> Validator {
    let of = json!({"$ref": format!("#/components/schemas/{name}"), "components": description["components"]});
    jsonschema::validator_for(&of).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Each path and method of one is in the other.
#[test]
fn operations() {
    let (description, api) = (description(), api());
    let documented: BTreeSet<_> = section(&api, "Operations")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(request, _)| request.split('?').next().unwrap().to_owned())
        .filter(|request| request.contains(" /v1"))
        .collect();
    let described: BTreeSet<_> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = ["get", "post", "put", "delete"].into_iter().filter(|method| item.get(method).is_some());
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(documented, described);
    let line = api.lines().find(|line| line.contains("GET /v1/keys?")).unwrap();
    for parameter in description["paths"]["/v1/keys"]["get"]["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        assert!(line.contains(&format!("{name}=")) || api.contains(&format!("`{name}=`")), "{name}");
    }
}

/// Each type of problem of one is in the other; with its status.
#[test]
fn problems() {
    let (description, api) = (description(), api());
    let documented: BTreeSet<_> = section(&api, "Problems")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` | ")?.0.to_owned()))
        .filter(|name| name != "type")
        .collect();
    let types = description["components"]["schemas"]["Problem"]["properties"]["type"]["enum"].as_array().unwrap();
    let described: BTreeSet<_> = types.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(documented, described);
}

/// Each field that the page shows is described, and each that is described is shown.
#[test]
fn fields() {
    let (description, api) = (description(), api());
    let mut described = BTreeSet::new();
    names(&description["components"]["schemas"], &mut described);
    for name in &described {
        assert!(api.contains(name.as_str()), "{name} is not in API.md");
    }
    // As JSON is shown there: in code, a word in quotes that a comma, a colon or a brace follows.
    let shown = section(&api, "Operations");
    for code in shown.split('`').skip(1).step_by(2).filter(|code| code.starts_with(['{', '"'])) {
        for name in code
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|name| !name.is_empty() && !["expired", "released_only"].contains(name))
        {
            assert!(described.contains(name), "{name} of {code} is not described");
        }
    }
}

fn names(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                found.extend(properties.keys().cloned());
            }
            fields.values().for_each(|field| names(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

/// What is really answered, and what is really sent.
#[test]
fn answers_are_as_described() {
    let description = description();
    let running = Running::start(Setting::default());
    let is = |name: &str, answer: Answer| {
        let value = answer.json();
        let errors: Vec<_> = schema(&description, name).iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}: {value}");
        value
    };
    let sent = |name: &str, body: &Value| {
        assert!(schema(&description, name).is_valid(body), "{name}: {body}");
        body.to_string()
    };
    let get = |path: &str| running.call("GET", path, Some(READER), None);
    let post = |path: &str, body: &str| running.call("POST", path, Some(ADMIN), Some(body));
    let session = |number: u32| format!("{number:032x}");
    let claim = |number: u32, after: Option<u64>| json!({"id": "a", "session": session(number), "ttl_ms": 30_000, "value": "v", "after": after, "takeover": "expired"});
    is("About", get("/v1"));
    is("Got", get("/v1/keys/k"));
    is("Granted", post("/v1/keys/k/acquire", &sent("Claim", &claim(1, None))));
    is("Refused", post("/v1/keys/k/acquire", &sent("Claim", &claim(2, Some(1)))));
    is("Got", get("/v1/keys/k"));
    is("Waiting", get("/v1/keys/k/waiting"));
    let mut renewal = claim(1, None);
    renewal["term"] = 1.into();
    is("Extended", post("/v1/keys/k/renew", &sent("Renewal", &renewal)));
    renewal["session"] = session(3).into();
    is("Lost", post("/v1/keys/k/renew", &sent("Renewal", &renewal)));
    is("Page", get("/v1/keys?limit=1"));
    is("Problem", post("/v1/keys/k/forget", "{}"));
    is("Revoked", post("/v1/keys/k/revoke", &sent("Revoke", &json!({"term": 1, "now": true}))));
    let release = json!({"session": session(1), "successor": {"id": "b", "within_ms": 1}});
    is("Released", post("/v1/keys/k/release", &sent("Release", &release)));
    is("History", get("/v1/keys/k/history"));
    is("Forgotten", post("/v1/keys/k/forget", "{}"));
    let mut plain = claim(5, None);
    plain.as_object_mut().unwrap().remove("after");
    let batch = json!([
        {"acquire": {"key": "b", "claim": plain}}, {"get": {"key": "c"}}, {"list": {"prefix": ""}}, {"revoke": {"key": "d"}},
        {"release": {"key": "e", "session": session(5)}}, {"renew": {"key": "f", "claim": plain, "term": 1}}, {"get": {"key": "b"}},
    ]);
    let replies = is("Replies", post("/v1/batch", &sent("Batch", &batch)));
    assert_eq!(replies[6]["failed"]["type"], "invalid");
    for (status, problem) in [
        (400, post("/v1/keys/k/acquire", "{}")),
        (401, running.call("GET", "/v1", None, None)),
        (403, running.call("POST", "/v1/keys/k/revoke", Some(READER), Some("{}"))),
        (404, get("/v2")),
        (405, running.call("DELETE", "/v1", Some(READER), None)),
        (426, get("/v1/watch")),
    ] {
        assert_eq!(is("Problem", problem)["status"], status);
    }
    // What is answered by a schema that refuses nothing would say nothing.
    assert!(!schema(&description, "Lease").is_valid(&json!({"id": "a"})));
    assert!(!schema(&description, "Claim").is_valid(&json!({"id": "a", "session": "0", "ttl_ms": 1})));
}
