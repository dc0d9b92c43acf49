//! What all requests share.

use actix_web::{HttpRequest, web::Data};
use auth::AccessTokens;

use crate::{
    cors::CorsSettings, cursor::CursorKey, error::ApiError, rate_limits::RateLimits,
    settings::ServerSettings,
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

impl AppState {
    /// For what is no handler.
    ///
    /// # Errors
    /// 500 where the app was made without it.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Data<Self>, ApiError> {
        request
            .app_data()
            .ok_or_else(|| ApiError::internal("the app has no AppState"))
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
