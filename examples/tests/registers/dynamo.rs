//! A server that keeps tables by the documented rules of DynamoDB.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::aws_signature::verify;
use crate::condition::holds;
use crate::door::{Asked, Rules};

/// How many items a piece of a scan has: few, so that there are several.
const PIECE: usize = 32;

pub(crate) struct Dynamo {
    /// By their names, and then by key.
    tables: Mutex<BTreeMap<String, BTreeMap<String, Kept>>>,
    /// What the user may do.
    pub(crate) actions: Mutex<Vec<&'static str>>,
    /// How many requests are turned away since there are too many.
    pub(crate) throttled: Mutex<u32>,
}

#[derive(Default)]
struct Kept {
    item: Option<Value>,
    /// What a read may show that does not ask for consistency.
    before: Option<Value>,
}

impl Dynamo {
    pub(crate) fn new() -> Self {
        let tables = ["leases", "reports"].map(|name| (name.to_owned(), BTreeMap::new()));
        let actions = Mutex::new(vec!["GetItem", "PutItem", "Scan"]);
        Self { tables: Mutex::new(tables.into()), actions, throttled: Mutex::default() }
    }

    pub(crate) fn item(&self, table: &str, key: &str) -> Option<Value> {
        self.tables.lock().unwrap()[table].get(key)?.item.clone()
    }

    /// What somebody else writes, without a condition.
    pub(crate) fn edit(&self, table: &str, key: &str, edit: impl FnOnce(&mut Value)) {
        let mut tables = self.tables.lock().unwrap();
        let kept = tables.get_mut(table).unwrap().entry(key.to_owned()).or_default();
        let mut item = kept.item.clone().unwrap_or_else(|| json!({"key": {"S": key}}));
        edit(&mut item);
        kept.before = kept.item.replace(item);
    }

    fn run(&self, action: &str, asked: &Value) -> Result<Value, (&'static str, String)> {
        let name = asked["TableName"].as_str().unwrap_or_default();
        if !self.actions.lock().unwrap().contains(&action) {
            let user = "arn:aws:iam::123456789012:user/reports";
            let table = format!("arn:aws:dynamodb:eu-central-1:123456789012:table/{name}");
            let message = format!(
                "User: {user} is not authorized to perform: dynamodb:{action} on resource: {table} because no \
                 identity-based policy allows the dynamodb:{action} action"
            );
            return Err(("AccessDeniedException", message));
        }
        let mut throttled = self.throttled.lock().unwrap();
        if *throttled > 0 {
            *throttled -= 1;
            return Err(("ThrottlingException", "Rate of requests exceeds the allowed throughput.".into()));
        }
        let mut tables = self.tables.lock().unwrap();
        let missing = || ("ResourceNotFoundException", "Requested resource not found".to_owned());
        let table = tables.get_mut(name).ok_or_else(missing)?;
        let invalid = |problem: String| ("ValidationException", problem);
        match action {
            "GetItem" => {
                let key = key_of(&asked["Key"]).map_err(invalid)?;
                if asked["Key"].as_object().is_some_and(|key| key.len() > 1) {
                    return Err(invalid("The provided key element does not match the schema".into()));
                }
                let kept = table.get(key);
                let consistent = asked["ConsistentRead"] == true;
                let item = kept.and_then(|kept| if consistent { kept.item.as_ref() } else { kept.before.as_ref() });
                Ok(item.map_or_else(|| json!({}), |item| json!({"Item": item})))
            }
            "PutItem" => {
                let item = &asked["Item"];
                let key = key_of(item).map_err(invalid)?;
                if let Some((name, _)) = item.as_object().into_iter().flatten().find(|(_, value)| !is_attribute(value))
                {
                    return Err(invalid(format!("Supplied AttributeValue of {name} is not of a type that is known")));
                }
                let kept = table.entry(key.to_owned()).or_default();
                if !holds(asked, kept.item.as_ref()).map_err(invalid)? {
                    return Err(("ConditionalCheckFailedException", "The conditional request failed".into()));
                }
                kept.before = kept.item.replace(item.clone());
                Ok(json!({}))
            }
            "Scan" => {
                // In an order that is not that of the keys.
                let before = match asked.get("ExclusiveStartKey") {
                    Some(start) => Bound::Excluded(key_of(start).map_err(invalid)?),
                    None => Bound::Unbounded,
                };
                let items = table.range::<str, _>((Bound::Unbounded, before)).rev();
                let piece: Vec<_> = items.filter_map(|(_, kept)| kept.item.as_ref()).take(PIECE).collect();
                let mut answer = json!({"Items": piece, "Count": piece.len()});
                // Also where nothing comes after it.
                if let Some(last) = piece.get(PIECE - 1) {
                    answer["LastEvaluatedKey"] = json!({"key": last["key"]});
                }
                Ok(answer)
            }
            _ => Err(("UnknownOperationException", String::new())),
        }
    }
}

impl Rules for Dynamo {
    fn operation(&self, asked: &Asked) -> String {
        let target = asked.header("x-amz-target").and_then(|target| target.strip_prefix("DynamoDB_20120810."));
        target.unwrap_or("nothing").to_owned()
    }

    fn answer(&self, asked: &Asked) -> (u16, Value) {
        let is_json = asked.header("content-type") == Some("application/x-amz-json-1.0");
        let answer = match verify(asked) {
            Ok(()) if is_json => self.run(&self.operation(asked), &asked.json()),
            Ok(()) => Err(("SerializationException", String::new())),
            Err(problem) => Err(problem),
        };
        match answer {
            Ok(answer) => (200, answer),
            Err((kind, message)) => {
                let service = if kind == "ValidationException" {
                    "com.amazon.coral.validate"
                } else {
                    "com.amazonaws.dynamodb.v20120810"
                };
                // Those of rights say it so.
                let field = if kind == "AccessDeniedException" { "Message" } else { "message" };
                (400, json!({"__type": format!("{service}#{kind}"), field: message}))
            }
        }
    }
}

/// By the schema of all tables.
fn key_of(item: &Value) -> Result<&str, String> {
    let key = item["key"]["S"].as_str().filter(|key| !key.is_empty() && key.len() <= 2048);
    key.ok_or_else(|| "One or more parameter values were invalid: Missing the key key in the item".into())
}

/// A text or a number, in its text.
fn is_attribute(value: &Value) -> bool {
    let one = value.as_object().filter(|value| value.len() == 1).and_then(|value| value.iter().next());
    one.is_some_and(|(kind, value)| match (kind.as_str(), value.as_str()) {
        ("S", text) => text.is_some(),
        ("N", number) => number.is_some_and(|number| number.parse::<f64>().is_ok()),
        _ => false,
    })
}
