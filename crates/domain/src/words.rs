//! Enums whose variants are words, in the database and on the wire alike: one macro, one error.

/// A word that is none of the enum's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of {expected}")]
pub struct UnknownWord {
    /// What was found.
    pub word: String,
    /// The enum's words, separated by comma and blank.
    pub expected: String,
}

/// Makes an enum with `ALL`, `as_str`, `Display`, `FromStr` and serde, all by the given words.
macro_rules! words {
    ($(#[$attribute:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        /// From a text only: what serde derives would also take `{"word": null}`.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                word.parse()
                    .map_err(|_| serde::de::Error::unknown_variant(&word, &[$($word),+]))
            }
        }

        impl $name {
            /// Every variant, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, as the database and the wire have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord {
                        word: word.to_owned(),
                        expected: [$($word),+].join(", "),
                    }),
                }
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::{
        Feature, MailKind, MembershipStatus, PlanResource, ProjectStatus, Role, Signup,
        SubscriptionTier, TenantStatus, WeekStart,
    };

    /// Text and JSON of every variant say the same word, and both lead back to the variant.
    macro_rules! assert_round_trip {
        ($($name:ident),+) => {$(
            for &value in $name::ALL {
                assert_eq!(value.as_str().parse::<$name>().unwrap(), value);
                assert_eq!(serde_json::to_value(value).unwrap(), value.as_str());
                assert_eq!(serde_json::from_value::<$name>(value.as_str().into()).unwrap(), value);
                assert_eq!(value.to_string(), value.as_str());
            }
        )+};
    }

    #[test]
    fn every_word_leads_back_to_its_variant() {
        assert_round_trip!(
            Feature,
            MailKind,
            Role,
            ProjectStatus,
            TenantStatus,
            SubscriptionTier,
            Signup,
            MembershipStatus,
            PlanResource,
            WeekStart
        );
    }

    #[test]
    fn an_unknown_word_is_refused_by_naming_the_known_ones() {
        let error = "Owner".parse::<Role>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Owner` is not one of viewer, member, admin, owner"
        );
        assert!(serde_json::from_str::<Role>("\"boss\"").is_err());
    }

    #[test]
    fn a_word_is_a_text_and_nothing_else() {
        for json in [r#"{"owner": null}"#, r#"["owner"]"#, "null", "3"] {
            assert!(serde_json::from_str::<Role>(json).is_err(), "{json}");
        }
    }
}
