//! The HTTP API: every route by every scope, what the document says against what is answered, pages of the queue, work.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use chrono::Utc;
use serde_json::{Value, json};
use smista::console::{api, password};
use smista::store::console::{Filter, Role, Scope, Token};

use super::desk::{Answer, Desk, Said, request};

pub(super) struct Client<'a> {
    desk: &'a Desk,
    secret: String,
}

pub(super) async fn client<'a>(desk: &'a Desk, name: &str, scopes: &[Scope]) -> Client<'a> {
    let secret = format!("{}{}", api::PREFIX, password::token());
    let token = Token { name: name.into(), scopes: scopes.to_vec(), created_at: Utc::now(), used_at: None };
    assert!(desk.store.add_token(&password::digest(&secret), &token).await.unwrap());
    Client { desk, secret }
}

impl Client<'_> {
    fn request(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let request = request(method, path, None).header("authorization", format!("Bearer {}", self.secret));
        request.body(Body::from(body.to_owned())).unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.desk.send(self.request("GET", path, "")).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.desk.send(self.request("POST", path, &body.to_string())).await;
        let body =
            if answer.body.is_empty() { Value::Null } else { serde_json::from_str(&answer.body).unwrap() };
        (answer.status, body)
    }
}

fn is_problem(answer: &Answer, status: StatusCode, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["status"], status.as_u16(), "{what}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
    let document = api::document();
    conforms(&document, &json!({ "$ref": "#/components/schemas/Document" }), &problem, what);
}

/// That a value is what a schema says, as far as the document's schemas go: references, types, members, items, constants,
/// alternatives.
fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) {
    let faults = faults(document, schema, value);
    assert!(faults.is_empty(), "{at}: {faults:?} in {value:#}");
}

fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (key, rule) in schema.as_object().unwrap_or_else(|| panic!("{schema}")) {
        match key.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                found.extend(faults(document, document.pointer(pointer).expect(pointer), value));
            }
            "type" => {
                let is = |name: &Value| match name.as_str().unwrap() {
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    "null" => value.is_null(),
                    other => panic!("{other}"),
                };
                if !rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is)) {
                    found.push(format!("{value} is no {rule}"));
                }
            }
            "const" if value != rule => found.push(format!("{value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(format!("{value} is none of {rule}"))
            }
            "required" if value.is_object() => {
                let missing = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|name| value.get(name.as_str().unwrap()).is_none());
                found.extend(missing.map(|name| format!("{name} is missing")));
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => found.extend(faults(document, rule, member)),
                        None => found.push(format!("{name} is not in the document")),
                    }
                }
            }
            "items" => {
                value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .for_each(|item| found.extend(faults(document, rule, item)));
            }
            "anyOf" | "oneOf" => {
                let mut ways = rule.as_array().unwrap().iter().map(|rule| faults(document, rule, value));
                if !ways.any(|faults| faults.is_empty()) {
                    found.push(format!("{value} is none of the alternatives"));
                }
            }
            _ => {}
        }
    }
    found
}

fn path(pattern: &str) -> String {
    pattern.replace("{id}", "k1")
}

#[tokio::test]
async fn every_route_asks_for_its_scope() {
    let desk = Desk::new().await;
    desk.decide(&Said::flagged("k1", "ciao")).await;
    let session = desk.session(Role::Admin).await;
    for route in api::ROUTES {
        let (method, path) = (route.method.as_str(), path(route.path));
        let what = format!("{method} {path}");
        // A cookie opens nothing here, nor does a token that is none.
        let strangers = [
            request(method, &path, Some(&session)),
            request(method, &path, None).header("authorization", format!("Bearer {}x", api::PREFIX)),
            request(method, &path, None).header("authorization", "Basic c21pc3RhOng="),
        ];
        for stranger in strangers {
            let answer = desk.send(stranger.body(Body::empty()).unwrap()).await;
            is_problem(&answer, StatusCode::UNAUTHORIZED, &what);
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{what}");
        }
        for scope in Scope::ALL {
            let client = client(&desk, &format!("{what} {}", scope.as_str()), &[scope]).await;
            let answer = desk.send(client.request(method, &path, "{}")).await;
            assert_eq!(
                answer.status == StatusCode::FORBIDDEN,
                scope != route.scope,
                "{what} {scope:?}: {}",
                answer.body
            );
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
            if scope != route.scope {
                is_problem(&answer, StatusCode::FORBIDDEN, &what);
            }
            let other = if route.method == Method::GET { "DELETE" } else { "GET" };
            let answer = desk.send(client.request(other, &path, "")).await;
            is_problem(&answer, StatusCode::METHOD_NOT_ALLOWED, &what);
            assert!(answer.header("allow").contains(method), "{what}");
        }
    }
    is_problem(&desk.get("/api/v1/nothing", None).await, StatusCode::NOT_FOUND, "no such route");
    let revoked = client(&desk, "revoked", &[Scope::Read]).await;
    assert_eq!(revoked.get("/api/v1/queue").await.0, StatusCode::OK);
    assert!(
        desk.store
            .tokens()
            .await
            .unwrap()
            .iter()
            .any(|token| token.name == "revoked" && token.used_at.is_some())
    );
    assert!(desk.store.revoke_token("revoked").await.unwrap());
    assert!(!desk.store.revoke_token("revoked").await.unwrap());
    assert_eq!(revoked.get("/api/v1/queue").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_document_is_openapi_and_has_every_route() {
    let desk = Desk::new().await;
    let served = desk.get(api::DOCUMENT, None).await;
    let document: Value = serde_json::from_str(&served.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut told = 0;
    for route in api::ROUTES {
        let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation["x-scope"], route.scope.as_str(), "{}", route.path);
    }
    for path in document["paths"].as_object().unwrap().values() {
        told += path.as_object().unwrap().len();
    }
    assert_eq!(told, api::ROUTES.len(), "and nothing else");
    let mut references = Vec::new();
    references_of(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

fn references_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| references_of(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references_of(item, found)),
        _ => {}
    }
}

/// What is answered is what the document says.
pub(super) fn as_told(path: &str, method: &str, status: &str, answer: &Value) {
    let document = api::document();
    let response = &document["paths"][path][method]["responses"][status];
    conforms(&document, &response["content"]["application/json"]["schema"], answer, path);
}

#[tokio::test]
async fn the_queue_goes_page_by_page() {
    let desk = Desk::new().await;
    for at in 0..5 {
        let mut said = Said::flagged(&format!("k{at}:ü"), "ciao");
        (said.customer, said.priority) = (format!("c{at}"), if at == 3 { "urgent" } else { "high" });
        desk.decide(&said).await;
    }
    let reader = client(&desk, "reader", &[Scope::Read]).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = reader.get(&format!("/api/v1/queue?limit=2&cursor={cursor}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        as_told("/api/v1/queue", "get", "200", &page);
        let ids = page["items"].as_array().unwrap().iter().map(|item| item["conversation_id"].clone());
        seen.extend(ids);
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((seen.len(), &seen[0]), (5, &json!("k3:ü")));
    let (_, urgent) = reader.get("/api/v1/queue?priority=urgent&q=CIAO").await;
    assert_eq!(urgent["items"].as_array().unwrap().len(), 1);
    let (_, resolved) = reader.get("/api/v1/queue?status=resolved").await;
    assert_eq!(resolved, json!({ "items": [], "next": null }));
    for wrong in [
        "priority=huge",
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=%21",
        "cursor=YQ",
        "colour=red",
        "sort=up",
    ] {
        let (status, problem) = reader.get(&format!("/api/v1/queue?{wrong}")).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &"value".into()),
            "{wrong}: {problem}"
        );
    }
}

#[tokio::test]
async fn a_conversation_is_read_and_worked_on() {
    let desk = Desk::new().await;
    desk.decide(&Said::flagged("k1", "Chiamo l'avvocato")).await;
    desk.account("ada", Role::Supervisor).await;
    let crm = client(&desk, "crm", &[Scope::Read, Scope::Review]).await;
    let (status, seen) = crm.get("/api/v1/conversations/k1").await;
    assert_eq!(
        (status, &seen["messages"][0]["turns"][0]["text"]),
        (StatusCode::OK, &"Chiamo l'avvocato".into())
    );
    as_told("/api/v1/conversations/{id}", "get", "200", &seen);
    assert_eq!(desk.store.accesses(10).await.unwrap()[0].account, "api:crm");
    assert_eq!(crm.get("/api/v1/conversations/none").await.0, StatusCode::NOT_FOUND);

    let message = &seen["messages"][0]["message_id"];
    let corrections = "/api/v1/conversations/k1/corrections";
    let (status, done) =
        crm.post(corrections, &json!({ "message_id": message, "priority": "urgent", "note": "sì" })).await;
    assert_eq!((status, &done["changed"]), (StatusCode::CREATED, &json!(["priority"])), "{done}");
    assert_eq!(
        (&done["decision"]["revision"], &done["decision"]["priority"]["level"]),
        (&2.into(), &"urgent".into())
    );
    as_told("/api/v1/conversations/{id}/corrections", "post", "201", &done);
    let (_, confirmed) = crm.post(corrections, &json!({ "message_id": message })).await;
    assert_eq!((&confirmed["changed"], &confirmed["decision"]["revision"]), (&json!([]), &2.into()));
    let stale =
        json!({ "message_id": message, "decision_id": seen["messages"][0]["decision"]["decision_id"] });
    let (status, problem) = crm.post(corrections, &stale).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &"overtaken".into()));
    for (wrong, expected) in [
        (json!({ "message_id": message, "priority": "huge" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "message_id": message, "queue": "nowhere" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "message_id": message, "colour": "red" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!([]), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "message_id": "none" }), StatusCode::NOT_FOUND),
    ] {
        let (status, problem) = crm.post(corrections, &wrong).await;
        assert_eq!(status, expected, "{wrong}: {problem}");
    }

    let act =
        async |what: &str, body: Value| crm.post(&format!("/api/v1/conversations/k1/{what}"), &body).await.0;
    assert_eq!(act("assign", json!({ "account": "nobody" })).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(act("assign", json!({ "account": "ada" })).await, StatusCode::NO_CONTENT);
    assert_eq!(act("comments", json!({ "text": " " })).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(act("comments", json!({ "text": "Visto" })).await, StatusCode::NO_CONTENT);
    assert_eq!(act("resolve", json!({})).await, StatusCode::NO_CONTENT);
    let done = Filter { done: true, assignee: "ada".into(), ..Filter::default() };
    assert_eq!(desk.store.queue_count(&done, 10).await.unwrap(), 1);
    assert_eq!(act("reopen", json!({})).await, StatusCode::NO_CONTENT);
    let (_, seen) = crm.get("/api/v1/conversations/k1").await;
    as_told("/api/v1/conversations/{id}", "get", "200", &seen);
    let acts: Vec<_> =
        seen["notes"].as_array().unwrap().iter().map(|note| note["act"].as_str().unwrap()).collect();
    assert_eq!(acts, ["correct", "correct", "assign", "comment", "resolve", "reopen"]);
    assert!(seen["notes"].as_array().unwrap().iter().all(|note| note["account"] == "api:crm"));
    assert_eq!(seen["item"]["status"], "reopened");
}
