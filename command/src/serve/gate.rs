//! Who is let in: the settings of now, which a signal has read anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lessor_service::{Asked, Plan, Service, Variables};
use lessor_wire::Problem;

use super::access_log::AccessLog;
use super::clock::now_ms;
use super::signers::{Ages, Signers};

/// Where the settings come from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) tokens: Option<PathBuf>,
    pub(crate) issuers: Option<PathBuf>,
    pub(crate) min_ttl_ms: Option<String>,
    pub(crate) max_ttl_ms: Option<String>,
}

/// What they said.
#[derive(Clone, PartialEq, Eq)]
struct Texts {
    tokens: Option<String>,
    tokens_next: Option<String>,
    issuers: Option<String>,
}

impl Sources {
    fn texts(&self) -> Result<Texts, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let text = |file: &Option<PathBuf>, name: &str| match file {
            Some(file) => read(file).map(Some),
            None => Ok(variable(name)),
        };
        Ok(Texts {
            tokens: text(&self.tokens, "LESSOR_TOKENS")?,
            tokens_next: variable("LESSOR_TOKENS_NEXT"),
            issuers: text(&self.issuers, "LESSOR_ISSUERS")?,
        })
    }
}

impl Sources {
    /// What is wrong is named as it was given here: the rules know the variables only.
    fn in_their_words(&self, error: &str) -> String {
        for (file, option, name) in
            [(&self.tokens, "--tokens", "LESSOR_TOKENS"), (&self.issuers, "--issuers", "LESSOR_ISSUERS")]
        {
            if let (Some(file), Some(what)) = (file, error.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")))
            {
                return format!("{option} {}: {what}", file.display());
            }
        }
        error.replace("LESSOR_MIN_TTL_MS", "--min-ttl-ms").replace("LESSOR_MAX_TTL_MS", "--max-ttl-ms")
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Those who are let in by one reading of the settings.
pub(crate) struct Gate {
    /// What it does takes microseconds.
    service: Mutex<Service>,
    signers: Signers,
    texts: Texts,
}

impl Gate {
    pub(crate) fn open(sources: &Sources, log: &AccessLog) -> Result<Self, String> {
        Self::of(sources.texts()?, sources, None, log)
    }

    /// `before`: what is known of the keys of those who sign, from the settings before these.
    fn of(texts: Texts, sources: &Sources, before: Option<&Signers>, log: &AccessLog) -> Result<Self, String> {
        let service = Service::read(Variables {
            tokens: texts.tokens.as_deref(),
            tokens_next: texts.tokens_next.as_deref(),
            issuers: texts.issuers.as_deref(),
            min_ttl_ms: sources.min_ttl_ms.as_deref(),
            max_ttl_ms: sources.max_ttl_ms.as_deref(),
            shards: None,
        })
        .map_err(|error| sources.in_their_words(&error))?;
        let signers = Signers::read(texts.issuers.as_deref(), Ages::default(), before, log);
        Ok(Self { service: Mutex::new(service), signers, texts })
    }

    /// Nothing, if the settings say what they said.
    pub(crate) fn reopen(&self, sources: &Sources, log: &AccessLog) -> Result<Option<Arc<Self>>, String> {
        let texts = sources.texts()?;
        if texts == self.texts {
            return Ok(None);
        }
        Self::of(texts, sources, Some(&self.signers), log).map(|gate| Some(Arc::new(gate)))
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn knows(&self, authorization: &str) -> bool {
        self.service().knows(now_ms() as f64, authorization)
    }

    pub(crate) fn name_of(&self, authorization: Option<&str>, protocols: Option<&str>) -> Option<String> {
        self.service().name_of(now_ms() as f64, authorization, protocols)
    }

    pub(crate) fn admit(&self, asked: Asked<'_>) -> Result<Plan, Problem> {
        self.service().admit(now_ms() as f64, asked)
    }

    /// Has the signature of a token verified, and knows it from then on.
    pub(crate) async fn verify(&self, how: &str, token: &str) -> Result<(), Problem> {
        let how =
            serde_json::from_str(how).map_err(|_| Problem::new("failed", 500, "it is not known how to verify it"))?;
        self.signers.verify(&how, token).await?;
        self.service().verified(now_ms() as f64, token)
    }
}
