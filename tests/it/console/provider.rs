//! A small OpenID Connect provider on loopback: discovery, keys, and codes that work once, for the client and the verifier
//! they were given to. What it says of a user is the test's to choose.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub const CLIENT: &str = "smista";
pub const SECRET: &str = "hush hush";

struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": x, "y": y})
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// What is wrong with the tokens it gives.
#[derive(Clone, Copy, PartialEq)]
pub enum Trick {
    None,
    /// `alg: none`, no signature.
    Unsigned,
    /// HS256 with the client secret as its key.
    Symmetric,
    /// Signed with a key that it does not publish, under the id of one that it does.
    Stolen,
    /// The signature of another token.
    Changed,
}

pub struct Inside {
    issuer: String,
    key: Key,
    /// Code to challenge, redirect address and claims.
    codes: HashMap<String, (String, String, Value)>,
    pub trick: Trick,
    /// Answers nothing but 500.
    pub is_ill: bool,
    /// Times that its keys were asked for.
    pub asked_for_keys: usize,
}

impl Inside {
    /// Another key from now on; the old one is published no more.
    pub fn rotate(&mut self) {
        self.key = Key::new(&format!("{}+", self.key.id));
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.key.id});
        match self.trick {
            Trick::None => self.key.token(&header, claims),
            Trick::Unsigned => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&json!({"alg": "none"})), part(claims))
            }
            Trick::Symmetric => {
                use hmac::Mac as _;
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                let signed = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
                let mut mac = hmac::Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
                mac.update(signed.as_bytes());
                format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
            }
            Trick::Stolen => Key::new(&self.key.id).token(&header, claims),
            Trick::Changed => {
                let other = self.key.token(&header, &json!({}));
                let signature = other.rsplit_once('.').unwrap().1.to_owned();
                let token = self.key.token(&header, claims);
                format!("{}.{signature}", token.rsplit_once('.').unwrap().0)
            }
        }
    }
}

#[derive(Clone)]
pub struct SmallProvider(Arc<Mutex<Inside>>);

impl SmallProvider {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self(Arc::new(Mutex::new(Inside {
            issuer,
            key: Key::new("k1"),
            codes: HashMap::new(),
            trick: Trick::None,
            is_ill: false,
            asked_for_keys: 0,
        })));
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        provider
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    pub fn issuer(&self) -> String {
        self.inside().issuer.clone()
    }

    /// Somebody signs in at the address that the console sent them to: the code, and what the query asked for.
    pub fn sign_in(&self, address: &str, claims: &Value) -> (String, HashMap<String, String>) {
        let (_, query) = address.split_once('?').unwrap();
        let asked: HashMap<String, String> = serde_urlencoded_pairs(query);
        let mut inside = self.inside();
        let now = chrono::Utc::now().timestamp();
        let mut said = json!({
            "iss": inside.issuer, "aud": CLIENT, "sub": "s-1", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
        });
        said.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let code = format!("code-{}", inside.codes.len() + 1);
        inside
            .codes
            .insert(code.clone(), (asked["code_challenge"].clone(), asked["redirect_uri"].clone(), said));
        (code, asked)
    }
}

fn serde_urlencoded_pairs(query: &str) -> HashMap<String, String> {
    let plain = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned()
    };
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (plain(key), plain(value)))
        .collect()
}

async fn discovery(State(provider): State<SmallProvider>) -> Result<Json<Value>, StatusCode> {
    let inside = provider.inside();
    if inside.is_ill {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let issuer = &inside.issuer;
    Ok(Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
        "end_session_endpoint": format!("{issuer}/leave"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        // It says that it would take any, as some do.
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    })))
}

async fn keys(State(provider): State<SmallProvider>) -> Result<Json<Value>, StatusCode> {
    let mut inside = provider.inside();
    if inside.is_ill {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    inside.asked_for_keys += 1;
    Ok(Json(json!({"keys": [inside.key.public()]})))
}

async fn token(
    State(provider): State<SmallProvider>,
    headers: HeaderMap,
    Form(given): Form<HashMap<String, String>>,
) -> axum::response::Response {
    let mut inside = provider.inside();
    let wrong = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let expected = STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+")));
    if headers
        .get("authorization")
        .is_none_or(|sent| sent.as_bytes() != format!("Basic {expected}").as_bytes())
    {
        return wrong("invalid_client");
    }
    let Some((challenge, redirect, claims)) = inside.codes.remove(&given["code"]) else {
        return wrong("invalid_grant");
    };
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(given["code_verifier"].as_bytes()));
    if proof != challenge || given["redirect_uri"] != redirect {
        return wrong("invalid_grant");
    }
    Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": inside.token(&claims)}))
        .into_response()
}
