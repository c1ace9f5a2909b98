//! Condition expressions, as far as the examples have them: `AND` before `OR`, no brackets.

use serde_json::Value;

/// Whether an expression holds for an item, if there is one. `Err`: it is none, or not all names and values are used.
pub(crate) fn holds(put: &Value, item: Option<&Value>) -> Result<bool, String> {
    let expression = put["ConditionExpression"].as_str().unwrap_or_default();
    for (given, what) in [("ExpressionAttributeNames", "names"), ("ExpressionAttributeValues", "values")] {
        let given = put[given].as_object();
        if given.is_some_and(serde_json::Map::is_empty) {
            return Err(format!("ExpressionAttribute{what} must not be empty"));
        }
        let unused = given.into_iter().flatten().find(|(name, _)| !words(expression).any(|word| word == name.as_str()));
        if let Some((name, _)) = unused {
            return Err(format!("Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{name}}}"));
        }
    }
    let mut any = false;
    for alternative in expression.split(" OR ") {
        let mut all = true;
        for term in alternative.split(" AND ") {
            all &= term_holds(term.trim(), put, item)?;
        }
        any |= all;
    }
    Ok(any)
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split([' ', '(', ')'])
}

fn term_holds(term: &str, put: &Value, item: Option<&Value>) -> Result<bool, String> {
    let attribute = |name: &str| -> Result<Option<&Value>, String> {
        let name = put["ExpressionAttributeNames"][name].as_str().ok_or_else(|| format!("no name {name}"))?;
        Ok(item.and_then(|item| item.get(name)))
    };
    let function = |function: &str| term.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(name) = function("attribute_not_exists") {
        return Ok(attribute(name)?.is_none());
    }
    let [name, comparison, value] = term.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("Syntax error: {term:?}"));
    };
    let value = put["ExpressionAttributeValues"].get(value).ok_or_else(|| format!("no value {value}"))?;
    // What is not there compares with nothing.
    let Some(attribute) = attribute(name)? else { return Ok(false) };
    let numbers = number(attribute).zip(number(value));
    match comparison {
        "=" => Ok(attribute == value),
        "<=" => Ok(numbers.is_some_and(|(attribute, value)| attribute <= value)),
        _ => Err(format!("Syntax error: {comparison:?}")),
    }
}

fn number(value: &Value) -> Option<u64> {
    value["N"].as_str()?.parse().ok()
}
