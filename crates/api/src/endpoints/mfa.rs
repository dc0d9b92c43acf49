//! `/auth/mfa/totp`: how an account gets a second factor, and loses it.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use auth::{RECOVERY_CODES, RecoveryCode, TotpSecret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    authenticate::Authenticated,
    error::ApiError,
    extract::Body,
    openapi::{BeginMfaProblems, ConfirmMfaProblems, RemoveMfaProblems},
    second_factor_code::SecondFactorCode,
    services::Services,
};

/// What is shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = Totp)]
pub(crate) struct TotpView {
    /// For whoever types it in: Base32.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: String,
    /// For whoever scans it, as a QR code.
    #[schema(example = "otpauth://totp/Rowhouse:alice%40acme.example?secret=…&issuer=Rowhouse")]
    otpauth_url: String,
    /// Ten; each stands in for a code of the app, once.
    #[schema(example = json!(["7p2k-0x9d-vq4m-c3ha"]))]
    recovery_codes: Vec<String>,
}

// No `Debug`: a code is good for a minute.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmTotp {
    /// The code that the app shows.
    #[schema(value_type = String, example = "123456", max_length = 64)]
    totp: SecondFactorCode,
}

/// A secret for an authenticator app, in the place of one that was not confirmed. Nothing asks for
/// it before it is. Asks for a recent sign-in.
#[utoipa::path(
    post, path = "/api/v1/auth/mfa/totp", tag = "auth", operation_id = "begin_mfa", security(("bearer" = [])),
    responses((status = 201, body = TotpView), BeginMfaProblems),
)]
pub(crate) async fn begin(
    caller: Authenticated,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let principal = caller.principal();
    let secret = TotpSecret::generate();
    let sealed = services
        .totp_keys
        .seal(principal.account, &secret)
        .map_err(ApiError::internal)?;
    let codes: Vec<RecoveryCode> = (0..RECOVERY_CODES)
        .map(|_| RecoveryCode::generate())
        .collect();
    let hashes = codes.iter().map(RecoveryCode::hash).collect();
    let max_age = services.step_up_max_age_seconds;
    let account = services
        .identity
        .begin_mfa(principal.into(), max_age, sealed, hashes)
        .await?;
    let view = TotpView {
        secret: secret.reveal(),
        otpauth_url: secret.url(&account.email).map_err(ApiError::internal)?,
        recovery_codes: codes.iter().map(RecoveryCode::reveal).collect(),
    };
    Ok(HttpResponse::build(StatusCode::CREATED)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(view))
}

/// From now on signing in asks for a code: the app's first one shows that it works. The account's
/// other sessions have to prove themselves anew where a recent sign-in is asked for.
#[utoipa::path(
    post, path = "/api/v1/auth/mfa/totp/confirm", tag = "auth", operation_id = "confirm_mfa",
    security(("bearer" = [])), request_body = ConfirmTotp,
    responses((status = 204, description = "Signing in asks for a code."), ConfirmMfaProblems),
)]
pub(crate) async fn confirm(
    caller: Authenticated,
    Body(body): Body<ConfirmTotp>,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let (principal, limit) = (caller.principal(), services.login_limit);
    let (attempt, ()) = services
        .admitted(async || {
            let admission = services
                .identity
                .admit_caller(principal.into(), caller.address(), limit)
                .await?;
            Ok((admission, ()))
        })
        .await?;
    let factor = services.second_factor(Some(body.totp.into()));
    let confirmed = services
        .identity
        .confirm_mfa(principal.into(), attempt.clone(), factor)
        .await;
    services.conclude(attempt, confirmed).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// From now on signing in asks for the password alone. Asks for a recent sign-in, which an account
/// with a second factor has by that factor.
#[utoipa::path(
    delete, path = "/api/v1/auth/mfa/totp", tag = "auth", operation_id = "remove_mfa", security(("bearer" = [])),
    responses((status = 204, description = "Signing in asks for the password alone."), RemoveMfaProblems),
)]
pub(crate) async fn remove(
    caller: Authenticated,
    services: Data<Services>,
) -> Result<HttpResponse, ApiError> {
    let max_age = services.step_up_max_age_seconds;
    services
        .identity
        .remove_mfa(caller.principal().into(), max_age)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
