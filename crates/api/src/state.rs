//! What all requests share.

use auth::AccessTokens;

use crate::{
    cors::CorsSettings, cursor::CursorKey, rate_limits::RateLimits, settings::ServerSettings,
};

/// Made once by the binary, shared by every worker. Handlers take `Data<AppState>`.
pub struct AppState {
    /// Verifies, and issues, access tokens.
    pub access_tokens: AccessTokens,
    /// Signs the cursors of lists.
    pub cursor_key: CursorKey,
    /// Section `cors`.
    pub cors: CorsSettings,
    /// Section `server`.
    pub settings: ServerSettings,
    /// How many requests of whom are served.
    pub rate_limits: RateLimits,
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
