//! bcrypt on threads of its own, so that a login storm touches neither the readers of the database
//! nor the async threads. The queue is `bounded_threads.rs`.

use serde::Deserialize;
use std::fmt;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bounded_threads::BoundedThreads;
use crate::{AuthError, HashingError, Password, PasswordHash};

/// How passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PasswordSettings {
    /// bcrypt's cost, the binary logarithm of its rounds: 4..=31, default 12 (a quarter of a
    /// second; OWASP asks for 10 at least). Hashes made with another cost stay valid.
    pub cost: u32,
    /// How many are computed at once. Default 0: half of the cores, at least one.
    pub threads: usize,
    /// Who would wait longer than this for a thread, in seconds, is refused. Default 5.
    pub max_wait_seconds: u64,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            cost: bcrypt::DEFAULT_COST,
            threads: 0,
            max_wait_seconds: 5,
        }
    }
}

/// Hashes and compares passwords. Needs no particular async runtime. Dropping it ends its threads.
pub struct PasswordThreads {
    threads: BoundedThreads,
    cost: u32,
    /// What is compared where there is nothing to compare with.
    dummy: Arc<PasswordHash>,
}

impl PasswordThreads {
    /// Starts the threads and computes one hash, which is also the first measure of what one takes:
    /// blocks for that long.
    ///
    /// # Errors
    /// A cost that bcrypt refuses, no randomness, no thread.
    pub fn new(settings: PasswordSettings) -> Result<Self, AuthError> {
        let PasswordSettings {
            cost,
            threads,
            max_wait_seconds,
        } = settings;
        let threads = NonZeroUsize::new(threads).map_or_else(half_of_the_cores, NonZeroUsize::get);
        let begun = Instant::now();
        let dummy = bcrypt::non_truncating_hash("nobody's", cost).map_err(AuthError::Bcrypt)?;
        Ok(Self {
            threads: BoundedThreads::start(
                threads,
                Duration::from_secs(max_wait_seconds),
                begun.elapsed(),
            )?,
            cost,
            dummy: Arc::new(PasswordHash::from_stored(dummy)),
        })
    }

    /// The hash of a new password, to be stored.
    ///
    /// # Errors
    /// [`HashingError::Busy`] when the queue is too long; `Bcrypt` for a password that was only
    /// [`presented`](Password::presented) and does not fit; `NoAnswer`.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashingError> {
        let cost = self.cost;
        self.threads.run(move || hash(&password, cost)).await?
    }

    /// Whether a hash was made with a lower cost than new ones are: whoever presents its password
    /// next should get a new one. A malformed hash never needs one.
    #[must_use]
    pub fn is_outdated(&self, hash: &PasswordHash) -> bool {
        let parts: Result<bcrypt::HashParts, _> = hash.as_str().parse();
        parts.is_ok_and(|parts| parts.get_cost() < self.cost)
    }

    /// Whether the password is the one behind the hash. Always exactly one bcrypt comparison: with
    /// no hash (an unknown address), or with a password that could not have been set, it compares
    /// against a dummy of the same cost and answers no.
    ///
    /// # Errors
    /// [`HashingError::Busy`] when the queue is too long; `Bcrypt` when the hash is malformed;
    /// `NoAnswer`.
    pub async fn verify(
        &self,
        password: Password,
        hash: Option<PasswordHash>,
    ) -> Result<bool, HashingError> {
        let dummy = Arc::clone(&self.dummy);
        self.threads
            .run(move || matches(&password, hash.as_ref(), &dummy))
            .await?
    }
}

impl fmt::Debug for PasswordThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordThreads")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

fn half_of_the_cores() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores / 2).max(1)
}

fn hash(password: &Password, cost: u32) -> Result<PasswordHash, HashingError> {
    let text =
        password
            .comparable()
            .ok_or(HashingError::Bcrypt(bcrypt::BcryptError::Truncation(
                crate::password::MAX_BYTES,
            )))?;
    bcrypt::non_truncating_hash(text, cost)
        .map(PasswordHash::from_stored)
        .map_err(HashingError::Bcrypt)
}

fn matches(
    password: &Password,
    hash: Option<&PasswordHash>,
    dummy: &PasswordHash,
) -> Result<bool, HashingError> {
    let compare = |text: &str, hash: &PasswordHash| {
        bcrypt::non_truncating_verify(text, hash.as_str()).map_err(HashingError::Bcrypt)
    };
    match (password.comparable(), hash) {
        (Some(text), Some(hash)) => compare(text, hash),
        _ => {
            // The answer is no whatever comes out, but the work must be done.
            black_box(compare("somebody's", dummy)?);
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads() -> PasswordThreads {
        let settings = PasswordSettings {
            cost: 4,
            threads: 2,
            max_wait_seconds: 60,
        };
        PasswordThreads::new(settings).unwrap()
    }

    fn new(text: &str) -> Password {
        Password::parse_new(text).unwrap()
    }

    fn presented(text: &str) -> Password {
        Password::presented(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let threads = threads();
        let hash = threads.hash(new("correct horse")).await.unwrap();
        assert!(hash.as_str().starts_with("$2b$04$"));
        assert!(
            threads
                .verify(presented("correct horse"), Some(hash.clone()))
                .await
                .unwrap()
        );
        for wrong in [
            "correct horse ",
            "Correct horse",
            "",
            "correct horse\0correct horse",
        ] {
            assert!(
                !threads
                    .verify(presented(wrong), Some(hash.clone()))
                    .await
                    .unwrap(),
                "{wrong}"
            );
        }
    }

    #[tokio::test]
    async fn nothing_is_cut_off() {
        let threads = threads();
        let longest = format!("correct horse {}", "x".repeat(57));
        let hash = threads.hash(new(&longest)).await.unwrap();
        assert!(
            threads
                .verify(presented(&longest), Some(hash.clone()))
                .await
                .unwrap()
        );
        for length in [70, 72, 73, 1_000_000] {
            let password = presented(&format!("correct horse {}", "x".repeat(length - 14)));
            assert!(
                !threads.verify(password, Some(hash.clone())).await.unwrap(),
                "{length}"
            );
        }
        assert!(threads.hash(presented(&"x".repeat(72))).await.is_err());
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        let threads = threads();
        for text in ["nobody's", "somebody's", ""] {
            assert!(
                !threads.verify(presented(text), None).await.unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn where_there_is_no_hash_the_dummy_is_compared() {
        let broken = PasswordHash::from_stored("a dummy whose comparison fails".to_owned());
        assert!(matches(&presented("anything"), None, &broken).is_err());
        let over_long = presented(&"x".repeat(72));
        assert!(matches(&over_long, Some(&broken), &broken).is_err());
    }

    #[tokio::test]
    async fn a_malformed_hash_is_an_error_and_not_a_no() {
        let hash = PasswordHash::from_stored("plain text".to_owned());
        let outcome = threads().verify(presented("plain text"), Some(hash)).await;
        assert!(matches!(outcome, Err(HashingError::Bcrypt(_))));
    }

    #[test]
    fn a_cost_that_bcrypt_refuses_is_an_error_at_the_start() {
        for cost in [0, 3, 32] {
            let settings = PasswordSettings {
                cost,
                ..PasswordSettings::default()
            };
            assert!(matches!(
                PasswordThreads::new(settings),
                Err(AuthError::Bcrypt(_))
            ));
        }
    }

    #[tokio::test]
    async fn a_hash_of_a_lower_cost_is_outdated() {
        let threads = threads();
        let hash = threads.hash(new("correct horse")).await.unwrap();
        assert!(!threads.is_outdated(&hash));
        let dearer = PasswordThreads::new(PasswordSettings {
            cost: 5,
            ..PasswordSettings::default()
        });
        assert!(dearer.unwrap().is_outdated(&hash));
        let malformed = PasswordHash::from_stored("plain text".to_owned());
        assert!(!threads.is_outdated(&malformed));
    }

    #[tokio::test]
    async fn many_at_once_are_all_answered() {
        let threads = Arc::new(threads());
        let callers: Vec<_> = (0..32)
            .map(|number| {
                let threads = Arc::clone(&threads);
                tokio::spawn(async move {
                    let text = format!("password number {number}");
                    let hash = threads.hash(new(&text)).await.unwrap();
                    threads.verify(presented(&text), Some(hash)).await.unwrap()
                })
            })
            .collect();
        for caller in callers {
            assert!(caller.await.unwrap());
        }
    }
}
