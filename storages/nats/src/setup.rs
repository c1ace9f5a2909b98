//! The bucket's own settings: created, and looked at.

use core::time::Duration;

use lessor::StorageError;
use lessor_kit::error::AdapterError;
use lessor_kit::repeat::Repeat;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::api::{self, NO_STREAM, Settings};
use crate::bucket::Bucket;
use crate::layout::Layout;
use crate::version;

/// How long to wait for an answer that may never come: a server that has nothing to say to a request is silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The longest message that is written: a record, and its headers.
const LONGEST: i64 = 8 * 1024;

/// Creates the bucket, unless it is there. One that is there stays as it is, and has to be fit.
pub(crate) async fn migrate(bucket: &Bucket, replicas: usize) -> Result<(), StorageError> {
    match bucket.info().await {
        Ok(info) => return Ok(judge(&info.config, &bucket.layout)?),
        Err(failure) if failure.code == NO_STREAM => {}
        Err(failure) => return Err(failure.error),
    }
    let stream = bucket.layout.stream();
    // As NATS's own programs create one.
    let settings = json!({
        "name": stream,
        "description": "leases of lessor",
        "subjects": [bucket.layout.subjects()],
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas,
        "discard": "new",
        "max_msgs_per_subject": 1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "max_consumers": -1,
        "allow_rollup_hdrs": true,
        "allow_direct": true,
        "deny_delete": true,
    });
    // The same once more changes nothing.
    let ask = api::ask(bucket.layout.api(format_args!("STREAM.CREATE.{stream}")), &settings);
    let created = bucket.link.ask::<IgnoredAny>(Repeat::Anytime, &ask).await;
    // Another process may have been faster, with other replicas, say.
    match (created, bucket.info().await) {
        (_, Ok(info)) => Ok(judge(&info.config, &bucket.layout)?),
        (Err(failure), _) | (_, Err(failure)) => Err(failure.error),
    }
}

/// Whether it is there, fit, and can be read and written by this user, on a server that is new enough. Writes nothing.
pub(crate) async fn check(bucket: &Bucket) -> Result<(), StorageError> {
    judge(&bucket.info().await?.config, &bucket.layout)?;
    bucket.look(&bucket.layout.trial()).await?;
    bucket.try_to_write().await?;
    Ok(bucket.link.current().map_or(Ok(()), |connection| version::check(&connection.version()))?)
}

/// Refuses what forgets rows, or takes none.
fn judge(settings: &Settings, layout: &Layout) -> Result<(), AdapterError> {
    let wrong = |setting, found: &dyn core::fmt::Display, problem: &str| {
        let remedy = format!("change it with the program nats (nats stream edit {})", layout.stream());
        Err(AdapterError::wrong_setup(setting, found.to_string(), problem, remedy))
    };
    let for_ever = |setting, found: &dyn core::fmt::Display, problem: &str| {
        // None of these can be changed.
        let remedy = format!("delete the bucket {} while nobody leads, and call migrate()", layout.bucket());
        Err(AdapterError::wrong_setup(setting, found.to_string(), problem, remedy))
    };
    let Settings { retention, storage, discard, max_msgs, max_bytes, .. } = settings;
    if storage != "file" {
        return for_ever("storage", storage, "the bucket forgets all leases, and their terms, when its servers end");
    }
    if retention != "limits" {
        return for_ever("retention", retention, "the bucket deletes leases that somebody has read");
    }
    if settings.mirror.is_some() {
        return for_ever("mirror", &"set", "the bucket is a copy of another one, and takes no writes");
    }
    if settings.sources.as_ref().is_some_and(|sources| !sources.is_empty()) {
        return wrong("sources", &"set", "the bucket copies what others write elsewhere over its own leases");
    }
    if settings.subject_transform.is_some() {
        return wrong("subject_transform", &"set", "the bucket writes leases under other names");
    }
    if settings.sealed {
        return for_ever("sealed", &true, "the bucket takes no writes");
    }
    if settings.allow_msg_counter {
        return for_ever("allow_msg_counter", &true, "the bucket takes numbers only");
    }
    if settings.no_ack {
        return wrong("no_ack", &true, "the bucket acknowledges no writes");
    }
    if settings.persist_mode == "async" {
        return for_ever("persist_mode", &"async", "the bucket acknowledges writes that a crash of its server loses");
    }
    if settings.max_age > 0 {
        let age = Duration::from_nanos(settings.max_age);
        return wrong("max_age", &format_args!("{age:?}"), "the bucket deletes old leases, and their terms begin anew");
    }
    if discard != "new" && (*max_msgs > 0 || *max_bytes > 0) {
        let (setting, limit) = if *max_msgs > 0 { ("max_msgs", max_msgs) } else { ("max_bytes", max_bytes) };
        let problem = "the bucket deletes the oldest leases when it is full, and their terms begin anew";
        return wrong(setting, &format_args!("{limit}, discard {discard}"), problem);
    }
    if settings.discard_new_per_subject {
        return wrong("discard_new_per_subject", &true, "the bucket lets no lease be renewed");
    }
    if (1..LONGEST).contains(&settings.max_msg_size) {
        return wrong("max_msg_size", &settings.max_msg_size, "the bucket refuses long values: they take up to 8 KiB");
    }
    if !settings.subjects.contains(&layout.subjects()) {
        return wrong("subjects", &settings.subjects.join(", "), "the stream is no bucket of this name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fit() {
        let fit = r#"{"subjects":["$KV.lessor.>"],"retention":"limits","storage":"file","discard":"new","max_age":0,
            "max_msgs":-1,"max_bytes":1000000,"max_msg_size":-1,"allow_msg_ttl":true,"num_replicas":3}"#;
        assert_eq!(judge(&serde_json::from_str(fit).unwrap(), &Layout::standard()), Ok(()));
    }

    #[test]
    fn what_is_not() {
        for (setting, found) in [
            ("storage", r#""memory""#),
            ("retention", r#""interest""#),
            ("mirror", r#"{"name":"a"}"#),
            ("sources", r#"[{"name":"a"}]"#),
            ("subject_transform", r#"{"src":"a","dest":"b"}"#),
            ("sealed", "true"),
            ("allow_msg_counter", "true"),
            ("no_ack", "true"),
            ("persist_mode", r#""async""#),
            ("max_age", "1000000000"),
            ("max_msgs", "1000"),
            ("max_bytes", "1000"),
            ("discard_new_per_subject", "true"),
            ("max_msg_size", "1000"),
            ("subjects", r#"["a"]"#),
        ] {
            let mut settings = json!({
                "subjects": ["$KV.lessor.>"], "retention": "limits", "storage": "file", "discard": "old",
                "max_msgs": -1, "max_bytes": -1,
            });
            settings[setting] = serde_json::from_str(found).unwrap();
            let error = judge(&serde_json::from_value(settings).unwrap(), &Layout::standard()).unwrap_err();
            assert!(matches!(&error, AdapterError::WrongSetup { setting: said, .. } if *said == setting), "{error}");
        }
    }
}
