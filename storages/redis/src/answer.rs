//! What a script answers for one key.

use lessor::Key;
use lessor::storage::Record;
use lessor_kit::error::AdapterError;
use redis::Value;

use crate::record;

#[derive(Debug)]
pub(crate) enum Answer {
    /// What is stored, or was before it was written to, and the server's clock.
    Seen { record: Option<Record>, now_ms: u64 },
    /// It was done; with the numbers that it led to.
    Done(Vec<u64>),
    /// Data was lost, and nothing is granted for so long.
    Frozen { left_ms: u64 },
}

impl Answer {
    /// # Errors
    /// [`AdapterError::Unreadable`] for a record that no storage wrote, [`AdapterError::Unfit`] where no script answers
    /// like this.
    pub(crate) fn read(key: &Key, value: &Value) -> Result<Self, AdapterError> {
        let Value::Array(items) = value else { return Err(AdapterError::Unfit) };
        match items.as_slice() {
            [Value::Int(0), now, stored, current] => {
                let record = match stored {
                    Value::Nil => None,
                    Value::BulkString(stored) => Some(record::read(key, stored, number(current)? == 1)?),
                    _ => return Err(AdapterError::Unfit),
                };
                Ok(Self::Seen { record, now_ms: number(now)? })
            }
            [Value::Int(1), numbers @ ..] => Ok(Self::Done(numbers.iter().map(number).collect::<Result<_, _>>()?)),
            [Value::Int(2), left] => Ok(Self::Frozen { left_ms: number(left)? }),
            _ => Err(AdapterError::Unfit),
        }
    }
}

fn number(value: &Value) -> Result<u64, AdapterError> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| AdapterError::Unfit),
        _ => Err(AdapterError::Unfit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(items: impl Into<Vec<Value>>) -> Result<Answer, AdapterError> {
        Answer::read(&Key::new("k").unwrap(), &Value::Array(items.into()))
    }

    #[test]
    fn answers() {
        let stored = Value::BulkString(b"7\n2\n100\n200\n150\n3\n\nid".to_vec());
        let seen = read([Value::Int(0), Value::Int(5), stored, Value::Int(1)]).unwrap();
        assert!(matches!(seen, Answer::Seen { record: Some(record), now_ms: 5 } if record.term.get() == 7));
        let nothing = read([Value::Int(0), Value::Int(5), Value::Nil, Value::Int(0)]).unwrap();
        assert!(matches!(nothing, Answer::Seen { record: None, now_ms: 5 }));
        let done = read([Value::Int(1), Value::Int(7), Value::Int(8)]).unwrap();
        assert!(matches!(done, Answer::Done(numbers) if numbers == [7, 8]));
        assert!(matches!(read([Value::Int(2), Value::Int(9)]).unwrap(), Answer::Frozen { left_ms: 9 }));
    }

    #[test]
    fn what_no_script_answers() {
        for items in [
            vec![],
            vec![Value::Int(3)],
            vec![Value::Int(2)],
            vec![Value::Int(1), Value::Nil],
            vec![Value::Int(2), Value::Int(-1)],
            vec![Value::Int(0), Value::Int(5), Value::Int(1), Value::Int(1)],
        ] {
            assert_eq!(read(items).unwrap_err(), AdapterError::Unfit);
        }
        assert_eq!(Answer::read(&Key::new("k").unwrap(), &Value::Okay).unwrap_err(), AdapterError::Unfit);
    }
}
