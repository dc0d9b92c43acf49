//! What can go wrong here. [`AuthError`] is read by who starts a server, [`HashingError`] by
//! whoever signs people in, the others become a client's 401 or 422. None repeats what was
//! presented.

/// The settings do not do, or a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No key to sign access tokens with.
    #[error("no signing key for access tokens")]
    NoSigningKey,
    /// A key without a secret.
    #[error("the signing key `{kid}` has an empty secret")]
    EmptySecret {
        /// Its id.
        kid: String,
    },
    /// Two keys under one id.
    #[error("two signing keys have the id `{kid}`")]
    DuplicateKeyId {
        /// Their id.
        kid: String,
    },
    /// An access token that would be born expired.
    #[error("the lifetime of access tokens must be at least one second, it is {lifetime_seconds}")]
    Lifetime {
        /// What was asked for, in seconds.
        lifetime_seconds: i64,
    },
    /// A signing key that is no Ed25519 private key as PKCS #8 in PEM, which is what
    /// `openssl genpkey -algorithm ed25519` writes.
    #[error("a signing key is no Ed25519 private key (PKCS #8, PEM)")]
    NotAnEd25519Key(#[source] jsonwebtoken::errors::Error),
    /// The file is no Ed25519 private key as PKCS #8 in PEM.
    #[error("{path} is no Ed25519 private key (PKCS #8, PEM)")]
    NotACheckpointKey {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A file of `auth.signing_keys`, or that of `audit.signing_key_file`, could not be read.
    #[error("cannot read the signing key {path}")]
    KeyFile {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The token could not be signed.
    #[error("an access token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
    /// bcrypt's self-test at the start failed; a cost outside of 4..=31 most likely.
    #[error("passwords cannot be hashed")]
    Bcrypt(#[source] bcrypt::BcryptError),
    /// The system gave no thread.
    #[error("a thread for password hashing could not be started")]
    Thread(#[source] std::io::Error),
}

/// A password was neither hashed nor compared.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// Too many are waiting; nothing was done.
    #[error("too many passwords are waiting to be checked")]
    Busy {
        /// When to ask again, in seconds; at least 1.
        retry_after_seconds: u64,
    },
    /// bcrypt refused; a malformed stored hash most likely.
    #[error("bcrypt failed")]
    Bcrypt(#[source] bcrypt::BcryptError),
    /// The thread panicked, or the threads are being shut down.
    #[error("the password thread gave no answer")]
    NoAnswer,
}

/// Not an access token of ours, or not one now. Says no more, on purpose: neither does a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the access token is invalid")]
pub struct InvalidToken;

/// Not shaped like a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the refresh token is malformed")]
pub struct InvalidRefreshToken;

/// Not shaped like the token of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is malformed")]
pub struct InvalidMailToken;

/// Not shaped like an API key, or mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API key is malformed")]
pub struct InvalidApiKey;

/// No permission has this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such permission")]
pub struct UnknownPermission;

/// A second factor could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum MfaError {
    /// No listed key opens what was sealed: the key under which it was sealed is not listed any
    /// more, or the text was changed.
    #[error("a TOTP secret cannot be opened under any listed secret key")]
    NotOpened,
    /// The cipher refused; never seen.
    #[error("a TOTP secret could not be sealed")]
    NotSealed,
    /// The secret or the account's name does not do for an authenticator app.
    #[error("a TOTP secret is not usable")]
    Unusable(#[source] totp_rs::TotpError),
}

/// Why a new password was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer characters than `min`.
    #[error("must have at least {min} characters")]
    TooShort {
        /// The fewest characters allowed.
        min: usize,
    },
    /// More bytes than bcrypt can tell apart.
    #[error("must have at most {max_bytes} bytes")]
    TooLong {
        /// The most bytes allowed (UTF-8).
        max_bytes: usize,
    },
    /// A NUL, behind which bcrypt's cyclic key would repeat.
    #[error("must not contain a NUL character")]
    Nul,
    /// One of the first million that anybody would try.
    #[error("is too easy to guess: use several words, or a password manager")]
    TooCommon,
}
