//! Requests that are signed, as AWS asks for it.

use std::env;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use chrono::Utc;
use lessor::StorageError;
use ureq::http::Request;

/// Who signs, and for which region.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) credentials: Credentials,
    pub(crate) region: String,
}

impl Signer {
    /// By the variables that AWS's own tools take. Credentials that last for some hours only are not asked for anew: a service takes
    /// those of the crate `aws-config`.
    pub(crate) fn from_env() -> Result<Self, env::VarError> {
        let (id, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(id, secret, env::var("AWS_SESSION_TOKEN").ok(), None, "environment");
        Ok(Self { credentials, region: env::var("AWS_REGION")? })
    }

    /// A request of DynamoDB's, with its signature.
    pub(crate) fn signed(&self, url: &str, action: &str, body: String) -> Result<Request<String>, StorageError> {
        let target = format!("DynamoDB_20120810.{action}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder().identity(&identity).region(&self.region).name("dynamodb");
        let params = params.time(Utc::now().into()).settings(SigningSettings::default()).build();
        let params = params.map_err(StorageError::permanent)?.into();
        let signable = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signed = sign(signable.map_err(StorageError::permanent)?, &params).map_err(StorageError::permanent)?;
        let mut request = Request::post(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(body).map_err(StorageError::permanent)?;
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
