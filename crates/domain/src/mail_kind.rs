//! What is mailed to an account, in whatever tenant it is. What it says is `jobs`' matter.

use crate::words::words;

words! {
    /// A mail to an account.
    MailKind {
        /// A link by which the account shows that mail arrives.
        VerifyEmail = "verify_email",
        /// A link to a new password.
        ResetPassword = "reset_password",
        /// Somebody registers with an address that has an account.
        AddressKnown = "address_known",
    }
}
