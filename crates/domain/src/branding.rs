//! How a tenant looks to its people: logo, colours, where help is.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Email, HttpsUrl};

/// No colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a colour like #1a2b3c")]
pub struct ColorError;

/// A colour, `#rrggbb` in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Color(String);

impl Color {
    /// Checks, and lowers the letters.
    ///
    /// # Errors
    /// [`ColorError`] for anything but a `#` and six hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ColorError> {
        let digits = text.strip_prefix('#').ok_or(ColorError)?;
        let is_color = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_color
            .then(|| Self(text.to_ascii_lowercase()))
            .ok_or(ColorError)
    }

    /// The colour.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is changed of a tenant's looks: `None` stays, `Some(None)` is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrandingPatch {
    /// The logo.
    pub logo_url: Option<Option<HttpsUrl>>,
    /// The small one.
    pub icon_url: Option<Option<HttpsUrl>>,
    /// The colour of what is important.
    pub primary_color: Option<Option<Color>>,
    /// The colour beside it.
    pub accent_color: Option<Option<Color>>,
    /// Whom its people ask for help.
    pub support_email: Option<Option<Email>>,
    /// Where its people find help.
    pub support_url: Option<Option<HttpsUrl>>,
}

impl BrandingPatch {
    /// The looks with these changes.
    #[must_use]
    pub fn onto(&self, branding: &Value) -> Value {
        let mut branding = branding.as_object().cloned().unwrap_or_default();
        let url = |url: &HttpsUrl| url.as_str().to_owned();
        let color = |color: &Color| color.as_str().to_owned();
        set(&mut branding, "logo_url", self.logo_url.as_ref(), url);
        set(&mut branding, "icon_url", self.icon_url.as_ref(), url);
        set(
            &mut branding,
            "primary_color",
            self.primary_color.as_ref(),
            color,
        );
        set(
            &mut branding,
            "accent_color",
            self.accent_color.as_ref(),
            color,
        );
        set(
            &mut branding,
            "support_email",
            self.support_email.as_ref(),
            |email: &Email| email.as_str().to_owned(),
        );
        set(&mut branding, "support_url", self.support_url.as_ref(), url);
        Value::Object(branding)
    }
}

fn set<T>(
    branding: &mut Map<String, Value>,
    key: &str,
    change: Option<&Option<T>>,
    text: impl Fn(&T) -> String,
) {
    match change {
        None => {}
        Some(None) => drop(branding.remove(key)),
        Some(Some(value)) => {
            branding.insert(key.to_owned(), Value::String(text(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_colour_is_six_digits_in_lower_case() {
        assert_eq!(Color::parse("#1A2b3C").unwrap().as_str(), "#1a2b3c");
        for text in [
            "",
            "1a2b3c",
            "#1a2b3",
            "#1a2b3c4",
            "#1a2b3g",
            "red",
            "#12345\u{e9}",
        ] {
            assert_eq!(Color::parse(text), Err(ColorError), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_null_goes() {
        let before = json!({ "logo_url": "https://a.example/", "primary_color": "#000000" });
        let patch = BrandingPatch {
            primary_color: Some(None),
            accent_color: Some(Some(Color::parse("#FFFFFF").unwrap())),
            support_email: Some(None),
            ..BrandingPatch::default()
        };
        let after = json!({ "logo_url": "https://a.example/", "accent_color": "#ffffff" });
        assert_eq!(patch.onto(&before), after);
        assert_eq!(BrandingPatch::default().onto(&before), before);
    }
}
