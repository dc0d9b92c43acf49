//! What a registration must show where the server demands it: that a person is behind it. Who
//! decides that is somewhere else; the protocol is the one that hCaptcha, reCAPTCHA and Turnstile
//! share (`siteverify`), so that one URL changes the verifier.

use std::net::IpAddr;
use std::time::Duration;

use auth::CaptchaSettings;
use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::{ApiError, FieldErrorCode};

/// How long a verifier may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest token that is handed on; those of known verifiers stay below half of it.
const LONGEST_TOKEN: usize = 8192;
const POINTER: &str = "/captcha_token";

/// What a registration must show.
#[derive(Clone, Debug)]
pub enum Captcha {
    /// Nothing.
    Off,
    /// A token that this verifier takes for good.
    Siteverify {
        /// Where it is asked.
        verify_url: Uri,
        /// What it knows this server by.
        secret: SecretString,
    },
}

/// The section `auth.captcha` does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptchaError {
    /// One of the two without the other.
    #[error(
        "auth.captcha.verify_url and auth.captcha.secret belong together: one of them is missing"
    )]
    Half,
    /// Not a web address.
    #[error("auth.captcha.verify_url must be an http or https URL")]
    VerifyUrl,
}

#[derive(Serialize)]
struct Question<'a> {
    secret: &'a str,
    response: &'a str,
    remoteip: String,
}

#[derive(Deserialize)]
struct Verdict {
    success: bool,
}

impl TryFrom<&CaptchaSettings> for Captcha {
    type Error = CaptchaError;

    fn try_from(settings: &CaptchaSettings) -> Result<Self, CaptchaError> {
        match (&settings.verify_url, &settings.secret) {
            (None, None) => Ok(Self::Off),
            (Some(url), Some(secret)) => {
                let verify_url: Uri = url.parse().map_err(|_| CaptchaError::VerifyUrl)?;
                let is_web = matches!(verify_url.scheme_str(), Some("http" | "https"));
                is_web.then_some(()).ok_or(CaptchaError::VerifyUrl)?;
                Ok(Self::Siteverify {
                    verify_url,
                    secret: secret.clone(),
                })
            }
            _ => Err(CaptchaError::Half),
        }
    }
}

impl Captcha {
    /// Whether the token is good.
    ///
    /// # Errors
    /// 422 at `/captcha_token`; 503 `captcha_unavailable` when the verifier does not say.
    pub(crate) async fn check(&self, token: Option<&str>, address: IpAddr) -> Result<(), ApiError> {
        let Self::Siteverify { verify_url, secret } = self else {
            return Ok(());
        };
        let Some(token) = token else {
            let detail = "is needed: solve the captcha first";
            return Err(ApiError::field(
                POINTER,
                FieldErrorCode::MissingField,
                detail,
            ));
        };
        let refused = || ApiError::field(POINTER, FieldErrorCode::Invalid, "was not accepted");
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Err(refused());
        }
        let question = Question {
            secret: secret.expose_secret(),
            response: token,
            remoteip: address.to_string(),
        };
        let verdict = ask(verify_url, &question).await?;
        verdict.success.then_some(()).ok_or_else(refused)
    }
}

async fn ask(verify_url: &Uri, question: &Question<'_>) -> Result<Verdict, ApiError> {
    let unavailable =
        |cause: &dyn std::fmt::Display| ApiError::CaptchaUnavailable(cause.to_string().into());
    // Made for each question: registrations are rare, and a client belongs to one thread.
    let client = awc::Client::builder().timeout(TIMEOUT).finish();
    let mut answer = client
        .post(verify_url.to_string())
        .send_form(question)
        .await
        .map_err(|error| unavailable(&error))?;
    if !answer.status().is_success() {
        return Err(unavailable(&answer.status()));
    }
    answer.json().await.map_err(|error| unavailable(&error))
}
