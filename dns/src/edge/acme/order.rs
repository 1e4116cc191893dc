//! One order of one certificate (RFC 8555 §7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use thiserror::Error;

use super::http::HttpError;
use super::storage::{Pair, StorageError};
use crate::plugin::tls::challenge::{Challenges, Published, TooManyChallenges};
use crate::plugin::tls::domain::AcmeDomain;
use crate::plugin::tls::renewal::Failure;

/// How often and how long the authority is asked whether it is done.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(100))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// Why there is no certificate.
#[derive(Debug, Error)]
pub(super) enum OrderError {
    /// The authority did not answer, or not as ACME has it, or it refused.
    #[error(transparent)]
    Acme(#[from] Error),
    /// The authority does not believe that the name is ours.
    #[error(
        "the authority refuses the domain: {0}; its name servers have to be this server, on port 53, with a server \
         block that serves {1}"
    )]
    Unauthorized(String, String),
    /// The authority has no challenge that can be met.
    #[error("the authority offers no challenge dns-01 for the domain")]
    NoChallenge,
    /// The authority wants to see another name.
    #[error("the authority asks for another domain than was ordered")]
    OtherName,
    /// The table of challenges is full.
    #[error(transparent)]
    Full(#[from] TooManyChallenges),
    /// The storage cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The CAs cannot be read.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What came is no certificate that can be served.
    #[error("the authority's certificate is not served: {0}")]
    Certificate(String),
    /// The whole order took too long.
    #[error("the order was not done within {0:?}")]
    Timeout(Duration),
}

impl OrderError {
    /// Returns how soon it may be tried again.
    pub(super) fn kind(&self) -> Failure {
        match self {
            Self::Acme(Error::Api(_) | Error::Timeout(_))
            | Self::Unauthorized(..)
            | Self::NoChallenge
            | Self::OtherName
            | Self::Certificate(_)
            | Self::Timeout(_) => Failure::Refused,
            Self::Acme(_) | Self::Full(_) | Self::Storage(_) | Self::Http(_) => {
                Failure::Unreachable
            }
        }
    }

    /// Says whether the authority has forgotten the account.
    pub(super) fn is_unknown_account(&self) -> bool {
        let unknown = "urn:ietf:params:acme:error:accountDoesNotExist";
        matches!(self, Self::Acme(Error::Api(problem)) if problem.r#type.as_deref() == Some(unknown))
    }
}

/// Orders a certificate for one name. Its challenge is answered until this returns, or is given up.
///
/// # Errors
/// There is none.
pub(super) async fn order(
    account: &Account,
    domain: &AcmeDomain,
    challenges: &Challenges,
) -> Result<Pair, OrderError> {
    let identifiers = [Identifier::Dns(domain.as_str().to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let published = meet_challenges(&mut order, domain, challenges).await?;
    let ready = order.poll_ready(&POLLS).await;
    drop(published);
    match ready {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => {}
        Ok(_) => return Err(refusal(&mut order, domain, "the order is invalid".to_owned()).await),
        Err(Error::Api(problem)) => {
            return Err(refusal(&mut order, domain, problem.to_string()).await);
        }
        Err(error) => return Err(error.into()),
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&POLLS).await?;
    Ok(Pair { chain, key })
}

/// Publishes what the authority wants to see and tells it so.
async fn meet_challenges(
    order: &mut Order,
    domain: &AcmeDomain,
    challenges: &Challenges,
) -> Result<Vec<Published>, OrderError> {
    let mut published = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let asked = authorization.identifier().identifier.clone();
        // An authority does not choose what this server answers for.
        let name =
            domain.challenge_name().filter(|_| asked == Identifier::Dns(domain.host().to_owned()));
        let name = name.ok_or(OrderError::OtherName)?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => {
                let why = format!("its authorization is {status:?}");
                return Err(OrderError::Unauthorized(why, name.to_string()));
            }
        }
        let challenge = authorization.challenge(ChallengeType::Dns01);
        let mut challenge = challenge.ok_or(OrderError::NoChallenge)?;
        let value = challenge.key_authorization().dns_value();
        published.push(challenges.publish(name.clone(), value)?);
        challenge.set_ready().await.map_err(|error| match error {
            // An authority that looks at once.
            Error::Api(problem) => OrderError::Unauthorized(problem.to_string(), name.to_string()),
            error => error.into(),
        })?;
    }
    Ok(published)
}

/// Finds out what the authority saw.
async fn refusal(order: &mut Order, domain: &AcmeDomain, otherwise: String) -> OrderError {
    let mut why = None;
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Ok(state) = authorization.refresh().await {
            let error = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            why = why.or_else(|| error.map(ToString::to_string));
        }
    }
    let name = domain.challenge_name().map(|name| name.to_string()).unwrap_or_default();
    OrderError::Unauthorized(why.unwrap_or(otherwise), name)
}
