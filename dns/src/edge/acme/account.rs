//! The account at an authority: the stored one, or a new one.

use instant_acme::{Account, AccountCredentials, NewAccount};

use super::http::Connector;
use super::order::OrderError;
use super::storage::Storage;
use crate::plugin::tls::acme::AcmeConfig;

/// Returns the account of a configuration, which it makes when none is stored. Who names an authority in the Corefile
/// agrees to its terms.
///
/// # Errors
/// The authority cannot be asked or refuses, or the storage cannot be used.
pub(super) async fn account(
    config: &AcmeConfig,
    storage: &Storage,
    connector: Connector,
) -> Result<Account, OrderError> {
    let builder = || Account::builder_with_http(Box::new(connector.clone()));
    if let Some(stored) = storage.account()? {
        match serde_json::from_slice::<AccountCredentials>(&stored) {
            Ok(credentials) => return Ok(builder().from_credentials(credentials).await?),
            Err(error) => {
                tracing::warn!(%error, "the stored ACME account cannot be read; a new one is made")
            }
        }
    }
    let contact = config.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder().create(&new, config.ca.clone(), None).await?;
    let text = serde_json::to_vec(&credentials).map_err(instant_acme::Error::from)?;
    storage.keep_account(&text)?;
    tracing::info!(ca = config.ca, account = account.id(), "ACME account made");
    Ok(account)
}
