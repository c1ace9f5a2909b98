//! URLs of lease services: `https://token@host/path`, `https://host?token_file=FILE`.

use std::fs;

use lessor_http::{HttpBuilder, HttpStorage};
use percent_encoding::percent_decode_str;

use crate::OpenError;
use crate::parameters::{self, HTTP};

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// Without the token and the parameters.
    url: String,
    token: Option<String>,
    parameters: Vec<(String, String)>,
}

/// The storage that a URL names. Nothing is sent yet; the files that it names are read.
pub(crate) fn named(url: &str) -> Result<HttpStorage, OpenError> {
    let Parts { url, token, parameters } = parts(url)?;
    let parameter = |name: &str| parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let mut builder = HttpStorage::builder(&url);
    builder = match (token, parameter("token_file")) {
        (Some(token), None) => builder.token(token),
        (None, Some(path)) => {
            // It is read anew for as long as the storage is there. One that is missing from the start is a slip of the pen.
            file("token_file", path)?;
            builder.token_file(path)
        }
        (None, None) => {
            let reason = "a lease service asks for a token: write https://token@host, or https://host?token_file=/path/of/a/file";
            return Err(OpenError::invalid(reason));
        }
        (Some(_), Some(_)) => {
            let reason =
                "a token stands before the host, and parameter \"token_file\" names another: give one of the two";
            return Err(OpenError::invalid(reason));
        }
    };
    if let Some(path) = parameter("cacert") {
        if !url.starts_with("https:") {
            let reason = "parameter \"cacert\" does nothing without TLS: begin the url with https://";
            return Err(OpenError::invalid(reason));
        }
        builder = builder.root_certificates(file("cacert", path)?);
    }
    if let Some(path) = parameter("headers_file") {
        builder = with_headers(builder, path)?;
    }
    builder.build().map_err(OpenError::invalid)
}

fn parts(url: &str) -> Result<Parts, OpenError> {
    let parameters = parameters::of(url, &HTTP)?;
    let (url, _) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = url.split_once("://").ok_or_else(|| OpenError::invalid("write https://token@host"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (token, host) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((token, host)) => {
            let token = percent_decode_str(token.strip_prefix(':').unwrap_or(token)).decode_utf8();
            let token = token.map_err(|_| OpenError::invalid("its token is not UTF-8"))?.into_owned();
            (Some(token), host)
        }
    };
    Ok(Parts { url: format!("{scheme}://{host}{path}"), token, parameters })
}

fn file(parameter: &str, path: &str) -> Result<Vec<u8>, OpenError> {
    let unread =
        |error| OpenError::invalid(format!("the file {path:?} of parameter {parameter:?} cannot be read: {error}"));
    fs::read(path).map_err(unread)
}

/// One a line: `Name: value`. What a line says is a secret.
fn with_headers(builder: HttpBuilder, path: &str) -> Result<HttpBuilder, OpenError> {
    let text = file("headers_file", path)?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines.try_fold(builder, |builder, (line, number)| {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            OpenError::invalid(format!(
                "line {number} of the file {path:?} of parameter \"headers_file\" is not: Name: value"
            ))
        })?;
        Ok(builder.header(name.trim(), value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str) -> String {
        let error = named(url).err().unwrap_or_else(|| panic!("{url} was opened"));
        let said = format!("{error} {error:?}");
        assert!(!said.contains("s3cret"), "{said}");
        said
    }

    #[test]
    fn what_a_url_says() {
        let of = |url: &str| {
            let Parts { url, token, parameters } = parts(url).unwrap();
            (url, token, parameters.len())
        };
        assert_eq!(of("https://t0ken@h/base"), ("https://h/base".to_owned(), Some("t0ken".to_owned()), 0));
        assert_eq!(of("http://:a%2Fb@localhost:1"), ("http://localhost:1".to_owned(), Some("a/b".to_owned()), 0));
        assert_eq!(of("https://h/base?token_file=%2Fa%20b&cacert=c"), ("https://h/base".to_owned(), None, 2));
        assert_eq!(of("https://h/@x"), ("https://h/@x".to_owned(), None, 0));
    }

    #[test]
    fn one_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token").display().to_string();
        for url in ["https://h", "https://h/@x", "https://h?cacert=x"] {
            let said = said(url);
            assert!(said.contains("https://token@host") && said.contains("?token_file="), "{url}: {said}");
        }
        let missing = said(&format!("https://h?token_file={path}"));
        assert!(missing.contains(&path) && missing.contains("token_file"), "{missing}");
        fs::write(&path, "t0ken\n").unwrap();
        assert!(named(&format!("https://h?token_file={path}")).is_ok());
        assert!(said(&format!("https://s3cret@h?token_file={path}")).contains("give one of the two"));
        assert!(said("https://s3cret@h?tokenfile=x").contains("did you mean \"token_file\"?"));
    }

    #[test]
    fn files_that_are_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file").display().to_string();
        for name in ["cacert", "headers_file"] {
            let said = said(&format!("https://s3cret@h?{name}={path}"));
            assert!(said.contains(&path) && said.contains(name), "{said}");
        }
        for (name, text, says) in [
            ("cacert", "no certificate", "root_certificates is not allowed: one or more certificates, as PEM"),
            ("headers_file", "a: b\n\ns3cret", "line 3 of the file"),
            ("headers_file", "a: s3crét", "header is not allowed: a value of visible ASCII"),
            ("headers_file", "Authorization: s3cret", "header \"authorization\" is not allowed"),
        ] {
            fs::write(&path, text).unwrap();
            let said = said(&format!("https://s3cret@h?{name}={path}"));
            assert!(said.contains(says), "{said}");
        }
        fs::write(&path, "CF-Access-Client-Id: s3cret.access\r\n\nCF-Access-Client-Secret:s3cret\n").unwrap();
        assert!(named(&format!("https://t0ken@h?headers_file={path}")).is_ok());
        assert!(said(&format!("http://s3cret@localhost?cacert={path}")).contains("begin the url with https://"));
    }
}
