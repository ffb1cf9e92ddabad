//! Codes besides the password.

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::people::refused;
use crate::support::{Answer, Person, Server, Setup};

const PASSWORD: &str = "correct horse";

fn now_s() -> u64 {
    jiff::Timestamp::now().as_second().unsigned_abs()
}

/// An account whose second factor is set up.
pub(crate) struct Guarded {
    pub(crate) person: Person,
    totp: Totp,
    pub(crate) recovery: Vec<String>,
}

impl Guarded {
    /// A code of the step that comes so many after the present one.
    fn code(&self, steps: u64) -> String {
        self.totp.generate(now_s() + 30 * steps).to_string()
    }
}

async fn offer(server: &Server, by: &Person) -> Totp {
    let answer = server
        .post("/me/totp", &json!({"password": PASSWORD}))
        .by(by)
        .send()
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let secret = answer.json["secret"].as_str().unwrap();
    let totp = Builder::new()
        .with_secret(Secret::try_from_base32(secret).unwrap())
        .build()
        .unwrap();
    let uri = answer.json["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Chinwag"), "{uri}");
    assert!(uri.contains(&format!("secret={secret}")), "{uri}");
    totp
}

pub(crate) async fn guard(server: &Server, username: &str) -> Guarded {
    let person = server.person(username).await;
    let totp = offer(server, &person).await;
    let code = totp.generate(now_s()).to_string();
    let answer = confirm(server, &person, &code).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let codes = answer.json["recovery_codes"].as_array().unwrap();
    let recovery = codes.iter().map(|code| code.as_str().unwrap().to_owned());
    Guarded {
        person,
        totp,
        recovery: recovery.collect(),
    }
}

async fn confirm(server: &Server, by: &Person, code: &str) -> Answer {
    let given = json!({"code": code});
    server.post("/me/totp/confirm", &given).by(by).send().await
}

async fn log_in(server: &Server, username: &str) -> Answer {
    let given = json!({"username": username, "password": PASSWORD, "device_name": "phone"});
    server.post("/auth/login", &given).send().await
}

async fn ticket(server: &Server, username: &str) -> String {
    let answer = log_in(server, username).await;
    refused(&answer, 401, "second_factor_required");
    answer.json["ticket"].as_str().unwrap().to_owned()
}

async fn complete(server: &Server, ticket: &str, code: &str) -> Answer {
    let given = json!({"ticket": ticket, "code": code});
    server.post("/auth/second-factor", &given).send().await
}

#[tokio::test]
async fn logging_in_takes_a_code_once_it_is_confirmed() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    assert_eq!(
        server.get("/me").by(&sam).send().await.json["second_factor"],
        false
    );
    let totp = offer(&server, &sam).await;
    assert_eq!(log_in(&server, "sam").await.status, 200, "not confirmed yet");
    refused(
        &confirm(&server, &sam, "000 00x").await,
        422,
        "second_factor_invalid",
    );
    worker.hear_event(&sam, "device.changed").await;
    let code = totp.generate(now_s()).to_string();
    let confirmed = confirm(&server, &sam, &code).await;
    assert_eq!(confirmed.json["recovery_codes"].as_array().unwrap().len(), 10);
    let told = worker.hear_event(&sam, "me.updated").await;
    assert_eq!(told["me"]["second_factor"], true, "{told}");

    let ticket = ticket(&server, "sam").await;
    // A secret is good for nothing but what it was made for.
    refused(
        &server
            .get("/me")
            .header("authorization", &format!("Bearer {ticket}"))
            .send()
            .await,
        401,
        "unauthenticated",
    );
    refused(
        &complete(&server, &ticket, &code).await,
        401,
        "second_factor_invalid",
    );
    let next = totp.generate(now_s() + 30).to_string();
    let answer = complete(&server, &ticket, &next).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let phone = Person {
        token: answer.json["token"].as_str().unwrap().to_owned(),
        ..sam.clone()
    };
    let devices = server.get("/me/devices").by(&phone).send().await;
    assert_eq!(devices.json["items"][0]["name"], "phone", "{}", devices.text);
    refused(&complete(&server, &ticket, &next).await, 401, "ticket_invalid");
    server.stop().await;
}

#[tokio::test]
async fn a_code_is_taken_once() {
    let server = Server::start().await;
    let sam = guard(&server, "sam").await;
    let (one, other) = (ticket(&server, "sam").await, ticket(&server, "sam").await);
    let code = sam.code(1);
    assert_eq!(complete(&server, &one, &code).await.status, 200);
    refused(
        &complete(&server, &other, &code).await,
        401,
        "second_factor_invalid",
    );
    let typed = sam.recovery[3].to_uppercase().replace('-', " ");
    assert_eq!(complete(&server, &other, &typed).await.status, 200);
    let third = ticket(&server, "sam").await;
    refused(
        &complete(&server, &third, &typed).await,
        401,
        "second_factor_invalid",
    );
    let given = json!({"ticket": third, "code": sam.recovery[4], "cookie": true});
    let session = server.post("/auth/second-factor", &given).send().await;
    assert_eq!((session.status, &session.json["token"]), (200, &Value::Null));
    assert!(session.cookie("chinwag_session").is_some());
    server.stop().await;
}

#[tokio::test]
async fn guessing_codes_is_stopped_wherever_it_comes_from() {
    let mut setup = Setup::default();
    setup.messenger.login_failures_max = 3;
    let server = Server::start_with(setup).await;
    let sam = guard(&server, "sam").await;
    for _ in 0..3 {
        let ticket = ticket(&server, "sam").await;
        refused(
            &complete(&server, &ticket, "000000x").await,
            401,
            "second_factor_invalid",
        );
    }
    let ticket = ticket(&server, "sam").await;
    let limited = complete(&server, &ticket, &sam.code(1)).await;
    refused(&limited, 429, "rate_limited");
    assert!(limited.header("retry-after").is_some());
    refused(
        &server
            .post(
                "/me/totp/remove",
                &json!({"password": PASSWORD, "code": sam.code(1)}),
            )
            .by(&sam.person)
            .send()
            .await,
        429,
        "rate_limited",
    );
    server.stop().await;
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_removed_by_its_owner_only() {
    let server = Server::start().await;
    let sam = guard(&server, "sam").await;
    let post = async |path: &str, given: Value| server.post(path, &given).by(&sam.person).send().await;
    refused(
        &post("/me/totp", json!({"password": "wrong"})).await,
        422,
        "password_wrong",
    );
    refused(
        &post("/me/totp", json!({"password": PASSWORD})).await,
        409,
        "second_factor_exists",
    );
    refused(
        &post("/me/totp/confirm", json!({"code": sam.code(1)})).await,
        409,
        "second_factor_exists",
    );
    let both = |password: &str, code: &str| json!({"password": password, "code": code});
    refused(
        &post("/me/totp/remove", both("wrong", &sam.recovery[0])).await,
        422,
        "password_wrong",
    );
    refused(
        &post("/me/totp/remove", both(PASSWORD, "nonsense")).await,
        422,
        "second_factor_invalid",
    );
    let pending = ticket(&server, "sam").await;
    assert_eq!(
        post("/me/totp/remove", both(PASSWORD, &sam.recovery[0]))
            .await
            .status,
        204
    );
    refused(
        &complete(&server, &pending, &sam.code(1)).await,
        401,
        "ticket_invalid",
    );
    assert_eq!(log_in(&server, "sam").await.status, 200);
    refused(
        &post("/me/totp/remove", both(PASSWORD, &sam.recovery[1])).await,
        409,
        "second_factor_missing",
    );
    refused(
        &post("/me/totp/confirm", json!({"code": sam.code(1)})).await,
        409,
        "second_factor_missing",
    );
    for nonsense in ["", "x", &"a".repeat(48)] {
        refused(
            &complete(&server, nonsense, "123456").await,
            401,
            "ticket_invalid",
        );
    }
    server.stop().await;
}
