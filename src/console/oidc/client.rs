//! What is said to the provider: discovery and keys, the redemption of a code. Every answer is bounded in time and size;
//! redirects are not followed, and a provider reached by TLS sends nobody to an address without it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreJwsSigningAlgorithm as Alg,
    CoreTokenResponse,
};
use openidconnect::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, LogoutRequest,
    Nonce, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout,
    RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, TokenResponse as _,
};

use super::OidcError;
use super::claims::LEEWAY;
use super::pending::Pending;
use crate::config;

/// For one answer of the provider.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer, bytes.
const LARGEST: usize = 1024 * 1024;
/// What discovery found is asked for again after so long.
const KEPT: Duration = Duration::from_secs(3600);
/// After a failure nothing is asked for so long.
const PAUSE: Duration = Duration::from_secs(5);
/// Unknown keys make it ask again at most so often.
const ROTATION: Duration = Duration::from_secs(60);

/// Signatures taken: by a key of which the provider alone has the secret half. Never `none`, never with the client secret.
const ALGORITHMS: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];

type Metadata = ProviderMetadataWithLogout;
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider, as far as it is known.
pub(super) struct Provider {
    issuer: IssuerUrl,
    client_id: ClientId,
    secret: Option<ClientSecret>,
    scopes: Vec<Scope>,
    callback: RedirectUrl,
    signed_out: PostLogoutRedirectUrl,
    http: Http,
    known: tokio::sync::Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Instant)>,
    failed: Option<(String, Instant)>,
    rotated: Option<Instant>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum HttpFault {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("its answer is larger than {LARGEST} bytes")]
    Large,
    #[error("its answer is none: {0}")]
    Answer(#[from] openidconnect::http::Error),
}

impl Provider {
    pub fn new(
        config: &config::Oidc,
        secret: Option<String>,
        callback: RedirectUrl,
        signed_out: String,
    ) -> Result<Self, String> {
        let issuer =
            IssuerUrl::new(config.issuer.clone()).map_err(|error| format!("console.oidc.issuer: {error}"))?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(config.issuer.starts_with("https://"))
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| format!("no TLS client can be set up: {error}"))?;
        Ok(Self {
            issuer,
            client_id: ClientId::new(config.client_id.clone()),
            secret: secret.map(ClientSecret::new),
            scopes: config.scopes.iter().cloned().map(Scope::new).collect(),
            callback,
            signed_out: PostLogoutRedirectUrl::new(signed_out)
                .map_err(|error| format!("console.public_url: {error}"))?,
            http: Http(http),
            known: tokio::sync::Mutex::default(),
        })
    }

    /// Where a browser is sent, and what it has to bring back.
    pub async fn authorize(&self, next: &str) -> Result<(String, Pending), OidcError> {
        let client = self.client(&*self.metadata().await?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(challenge)
            .url();
        Ok((url.into(), Pending::new(state.secret(), nonce.secret(), verifier.secret(), next)))
    }

    /// The ID token of a code, its signature and claims verified.
    pub async fn redeem(&self, code: String, pending: &Pending) -> Result<String, OidcError> {
        let metadata = self.metadata().await?;
        let client = self.client(&metadata);
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| OidcError::Away("it names no token endpoint".to_owned()))?
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()));
        let answer: Result<CoreTokenResponse, _> = request.request_async(&self.http).await;
        let answer = answer.map_err(|error| match error {
            RequestTokenError::Request(fault) => OidcError::Away(fault.to_string()),
            RequestTokenError::ServerResponse(said) => {
                OidcError::Unproved(format!("the code is refused: {}", said.error()))
            }
            RequestTokenError::Parse(..) => OidcError::Away("its answer to a code is none".to_owned()),
            RequestTokenError::Other(text) => OidcError::Away(text),
        })?;
        let token =
            answer.id_token().ok_or_else(|| OidcError::Unproved("there is no ID token".to_owned()))?;
        let nonce = Nonce::new(pending.nonce.clone());
        let verified = match verify(&client, token, &nonce) {
            // Providers change their keys, and say so nowhere else.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => verify(&self.client(&*self.rotated().await?), token, &nonce),
            verified => verified,
        };
        verified.map_err(|error| OidcError::Unproved(told(&error)))?;
        Ok(token.to_string())
    }

    /// Where one signs out there, if it says.
    pub async fn sign_out(&self) -> Option<String> {
        let metadata = self.metadata().await.ok()?;
        let endpoint = metadata.additional_metadata().end_session_endpoint.clone()?;
        let request = LogoutRequest::from(endpoint)
            .set_client_id(self.client_id.clone())
            .set_post_logout_redirect_uri(self.signed_out.clone());
        Some(request.http_get_url().into())
    }

    fn client(&self, metadata: &Metadata) -> Client {
        let ways = metadata.token_endpoint_auth_methods_supported();
        let has = |way: &CoreClientAuthMethod| ways.is_some_and(|ways| ways.contains(way));
        // Unless it says otherwise, a provider takes the secret in the header (OpenID Connect Discovery 1.0, section 3).
        let in_body =
            has(&CoreClientAuthMethod::ClientSecretPost) && !has(&CoreClientAuthMethod::ClientSecretBasic);
        let client =
            CoreClient::from_provider_metadata(metadata.clone(), self.client_id.clone(), self.secret.clone());
        client.set_redirect_uri(self.callback.clone()).set_auth_type(if in_body {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        })
    }

    /// What discovery says, an hour old at most; an older one while the provider is away.
    async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        let mut known = self.known.lock().await;
        if let Some((metadata, at)) = &known.metadata
            && at.elapsed() < KEPT
        {
            return Ok(Arc::clone(metadata));
        }
        match (self.discover(&mut known).await, &known.metadata) {
            (Err(_), Some((old, _))) => Ok(Arc::clone(old)),
            (found, _) => found,
        }
    }

    /// The same, anew.
    async fn rotated(&self) -> Result<Arc<Metadata>, OidcError> {
        let mut known = self.known.lock().await;
        if known.rotated.is_some_and(|at| at.elapsed() < ROTATION) {
            return Err(OidcError::Unproved("its key is not known, nor was it a moment ago".to_owned()));
        }
        known.rotated = Some(Instant::now());
        self.discover(&mut known).await
    }

    async fn discover(&self, known: &mut Known) -> Result<Arc<Metadata>, OidcError> {
        if let Some((error, at)) = &known.failed
            && at.elapsed() < PAUSE
        {
            return Err(OidcError::Away(error.clone()));
        }
        match Metadata::discover_async(self.issuer.clone(), &self.http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                known.metadata = Some((Arc::clone(&metadata), Instant::now()));
                known.failed = None;
                Ok(metadata)
            }
            Err(error) => {
                let error = told(&error);
                known.failed = Some((error.clone(), Instant::now()));
                Err(OidcError::Away(error))
            }
        }
    }
}

/// Asks the provider.
struct Http(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpFault;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpFault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(ask(self.0.clone(), request))
    }
}

async fn ask(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
    let mut response = client.execute(request.try_into()?).await?;
    let mut answer = openidconnect::http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err(HttpFault::Large);
        }
    }
    Ok(answer.body(body)?)
}

fn verify(client: &Client, token: &CoreIdToken, nonce: &Nonce) -> Result<(), ClaimsVerificationError> {
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(|| Utc::now() - TimeDelta::seconds(LEEWAY));
    token.claims(&verifier, nonce).map(|_| ())
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
