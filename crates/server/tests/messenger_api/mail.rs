//! Addresses for mail and forgotten passwords, with a mail server to talk to.

use chinwag_backends::SmtpMailer;
use chinwag_messenger::Timestamp;
use chinwag_messenger::store::Mails;
use serde_json::{Value, json};

use crate::people::refused;
use crate::smtp::{MailServer, mailer};
use crate::support::{Answer, Person, Server, Setup};

async fn server() -> Server {
    let mut setup = Setup::default();
    setup.messenger.mail_links = Some("https://chat.example.org/".to_owned());
    Server::start_with(setup).await
}

async fn send(server: &Server, mailer: &SmtpMailer) {
    server.messenger.send_mail(mailer, "Chinwag").await.unwrap();
}

async fn set_email(server: &Server, by: &Person, email: &Value) -> Answer {
    let wish = json!({"email": email, "password": "correct horse"});
    server.patch("/me", &wish).by(by).send().await
}

async fn verify(server: &Server, token: &str) -> Answer {
    let given = json!({"token": token});
    server.post("/auth/email/verify", &given).send().await
}

async fn forget(server: &Server, email: &str) -> Answer {
    let given = json!({"email": email});
    server.post("/auth/password/forgot", &given).send().await
}

async fn reset(server: &Server, token: &str, password: &str) -> Answer {
    let given = json!({"token": token, "password": password});
    server.post("/auth/password/reset", &given).send().await
}

/// The account has proven this address.
async fn with_email(server: &Server, mails: &mut MailServer, username: &str, email: &str) -> Person {
    let person = server.person(username).await;
    assert_eq!(set_email(server, &person, &json!(email)).await.status, 200);
    send(server, &mails.mailer()).await;
    let token = mails.next().await.token("verify-email");
    assert_eq!(verify(server, &token).await.status, 204);
    person
}

#[tokio::test]
async fn an_address_counts_once_it_is_proven() {
    let server = server().await;
    let mut mails = MailServer::start().await;
    let sam = server.person("sam").await;
    let mut worker = server.worker();
    worker.connect(&sam, "1.1").await;
    let me = set_email(&server, &sam, &json!(" Sam@Example.org ")).await;
    assert_eq!(
        (&me.json["email"], &me.json["email_pending"]),
        (&Value::Null, &json!("Sam@Example.org"))
    );
    send(&server, &mails.mailer()).await;
    let mail = mails.next().await;
    assert_eq!(mail.to, "Sam@Example.org");
    assert!(
        mail.head
            .contains("Subject: Chinwag: confirm your e-mail address"),
        "{mail:?}"
    );
    assert!(
        mail.head.contains("From: Chinwag <chinwag@example.org>"),
        "{mail:?}"
    );
    assert!(mail.text.starts_with("Hello Sam Whitlock,\n"), "{mail:?}");
    let token = mail.token("verify-email");
    // Good for nothing else.
    refused(
        &reset(&server, &token, "plum kettle nine").await,
        422,
        "token_invalid",
    );
    assert_eq!(verify(&server, &token).await.status, 204);
    refused(&verify(&server, &token).await, 422, "token_invalid");
    let me = server.get("/me").by(&sam).send().await.json;
    assert_eq!(
        (&me["email"], &me["email_pending"]),
        (&json!("Sam@Example.org"), &Value::Null)
    );
    assert!(me["email_verified_at"].is_string());
    let told = worker.hear_event(&sam, "me.updated").await;
    assert_eq!(told["me"]["email_pending"], "Sam@Example.org");
    assert_eq!(
        worker.hear_event(&sam, "me.updated").await["me"]["email"],
        "Sam@Example.org"
    );
    let others = server.person("anna").await;
    let seen = server.get(&format!("/users/{}", sam.id)).by(&others).send().await;
    assert!(!seen.text.contains("xample.org"), "{}", seen.text);

    // Another wish voids what was sent before; the proven address stays until then.
    set_email(&server, &sam, &json!("one@example.org")).await;
    send(&server, &mails.mailer()).await;
    let first = mails.next().await.token("verify-email");
    set_email(&server, &sam, &json!("two@example.org")).await;
    refused(&verify(&server, &first).await, 422, "token_invalid");
    let me = set_email(&server, &sam, &Value::Null).await;
    assert_eq!(
        (&me.json["email"], &me.json["email_pending"]),
        (&Value::Null, &Value::Null)
    );
    send(&server, &mails.mailer()).await;
    mails.nothing();
    server.stop().await;
}

#[tokio::test]
async fn who_has_an_address_is_only_told_by_mail() {
    let server = server().await;
    let mut mails = MailServer::start().await;
    with_email(&server, &mut mails, "sam", "sam@example.org").await;
    let eve = server.person("eve").await;
    let anna = server.person("anna").await;
    let wish = json!({"locale": "zh-CN"});
    server.patch("/me", &wish).by(&eve).send().await;
    let free = set_email(&server, &anna, &json!("free@example.org")).await;
    let taken = set_email(&server, &eve, &json!("SAM@example.org")).await;
    assert_eq!((free.status, taken.status), (200, 200));
    send(&server, &mails.mailer()).await;
    let to_anna = mails.next().await.token("verify-email");
    let notice = mails.next().await;
    assert_eq!(notice.to, "SAM@example.org");
    assert!(notice.text.contains("已属于另一个账号"), "{notice:?}");
    assert!(!notice.text.contains("https://"), "{notice:?}");

    // Of two who are proving one address, the first has it.
    set_email(&server, &eve, &json!("free@example.org")).await;
    send(&server, &mails.mailer()).await;
    let to_eve = mails.next().await.token("verify-email");
    assert_eq!(verify(&server, &to_eve).await.status, 204);
    refused(&verify(&server, &to_anna).await, 409, "email_taken");

    let given = json!({"username": "zed", "password": "correct horse", "email": "sam@example.org"});
    let zed = server.post("/auth/register", &given).send().await;
    assert_eq!(zed.status, 201, "{}", zed.text);
    send(&server, &mails.mailer()).await;
    assert!(mails.next().await.text.contains("already belongs to another"));
    server.stop().await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_mail() {
    let server = server().await;
    let mut mails = MailServer::start().await;
    let sam = with_email(&server, &mut mails, "sam", "sam@example.org").await;
    server
        .patch("/me", &json!({"locale": "ru"}))
        .by(&sam)
        .send()
        .await;
    let (known, unknown) = (
        forget(&server, "Sam@Example.org").await,
        forget(&server, "nobody@example.org").await,
    );
    assert_eq!((known.status, unknown.status), (204, 204));
    send(&server, &mails.mailer()).await;
    let mail = mails.next().await;
    assert_eq!(mail.to, "sam@example.org");
    assert!(mail.text.starts_with("Здравствуйте, Sam Whitlock!\n"), "{mail:?}");
    mails.nothing();
    let token = mail.token("reset");
    refused(&reset(&server, &token, "short").await, 422, "password_too_short");
    refused(&verify(&server, &token).await, 422, "token_invalid");
    assert_eq!(reset(&server, &token, "plum kettle nine").await.status, 204);
    refused(
        &reset(&server, &token, "plum kettle ten").await,
        422,
        "token_invalid",
    );
    refused(&server.get("/me").by(&sam).send().await, 401, "unauthenticated");
    let log_in = async |password: &str| {
        let given = json!({"username": "sam", "password": password});
        server.post("/auth/login", &given).send().await.status
    };
    assert_eq!(
        (log_in("correct horse").await, log_in("plum kettle nine").await),
        (401, 200)
    );
    for nonsense in ["", "x", &"a".repeat(48)] {
        refused(
            &reset(&server, nonsense, "plum kettle ten").await,
            422,
            "token_invalid",
        );
    }
    // So many mails an hour, however often somebody asks.
    for _ in 0..10 {
        forget(&server, "sam@example.org").await;
        send(&server, &mails.mailer()).await;
    }
    for _ in 0..4 {
        mails.next().await;
    }
    mails.nothing();
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_is_no_longer_ones_own_opens_nothing() {
    let server = server().await;
    let mut mails = MailServer::start().await;
    let sam = with_email(&server, &mut mails, "sam", "old@example.org").await;
    forget(&server, "old@example.org").await;
    send(&server, &mails.mailer()).await;
    let token = mails.next().await.token("reset");
    set_email(&server, &sam, &json!("new@example.org")).await;
    send(&server, &mails.mailer()).await;
    let proof = mails.next().await.token("verify-email");
    assert_eq!(verify(&server, &proof).await.status, 204);
    refused(
        &reset(&server, &token, "plum kettle nine").await,
        422,
        "token_invalid",
    );
    forget(&server, "old@example.org").await;
    send(&server, &mails.mailer()).await;
    mails.nothing();
    server.stop().await;
}

#[tokio::test]
async fn a_mail_server_that_is_away_loses_nothing() {
    let server = server().await;
    let mails = MailServer::start().await;
    let sam = server.person("sam").await;
    // Nobody listens there any more.
    let address = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap()
    };
    assert_eq!(
        set_email(&server, &sam, &json!("sam@example.org")).await.status,
        200
    );
    send(&server, &mailer(address)).await;
    let due = server.store.next_mail_at().await.unwrap().expect("it waits");
    let pause_s = (due.0 - Timestamp::now().0) / 1_000;
    assert!((20..=30).contains(&pause_s), "{pause_s}");
    send(&server, &mailer(address)).await;

    let mut back = MailServer::start_at(address).await;
    let later = Timestamp(due.0 + 1);
    let taken = server.store.take_mails(later, later, 10).await.unwrap();
    assert_eq!((taken.len(), taken[0].tries), (1, 2));
    let now = Timestamp(0);
    server.store.mail_later(taken[0].id, now).await.unwrap();
    send(&server, &mailer(address)).await;
    assert_eq!(back.next().await.to, "sam@example.org");
    assert_eq!(server.store.next_mail_at().await.unwrap(), None);

    // What is refused for good is not tried again.
    mails.refuse(true);
    set_email(&server, &sam, &json!("no@example.org")).await;
    send(&server, &mails.mailer()).await;
    assert_eq!(server.store.next_mail_at().await.unwrap(), None);
    server.stop().await;
}

#[tokio::test]
async fn mail_is_sent_as_soon_as_it_is_asked_for() {
    let mut mails = MailServer::start().await;
    let mut setup = Setup::default();
    setup.messenger.mail_links = Some("https://chat.example.org".to_owned());
    setup.mailer = Some(std::sync::Arc::new(mails.mailer()));
    let server = Server::start_with(setup).await;
    let sam = server.person("sam").await;
    for address in ["one@example.org", "two@example.org"] {
        set_email(&server, &sam, &json!(address)).await;
        assert_eq!(mails.next().await.to, address);
    }
    server.stop().await;
}

#[tokio::test]
async fn addresses_are_changed_by_their_owners_only_and_not_too_often() {
    let server = server().await;
    let sam = server.person("sam").await;
    let patch = async |wish: Value| server.patch("/me", &wish).by(&sam).send().await;
    refused(
        &patch(json!({"email": "sam@example.org"})).await,
        422,
        "validation_failed",
    );
    refused(
        &patch(json!({"email": "sam@example.org", "password": "wrong"})).await,
        422,
        "password_wrong",
    );
    refused(
        &set_email(&server, &sam, &json!("nonsense")).await,
        422,
        "email_invalid",
    );
    refused(&forget(&server, "nonsense").await, 422, "email_invalid");
    let given = json!({"username": "zed", "password": "correct horse", "email": "x"});
    refused(
        &server.post("/auth/register", &given).send().await,
        422,
        "email_invalid",
    );
    for n in 0..5 {
        let email = json!(format!("sam{n}@example.org"));
        assert_eq!(set_email(&server, &sam, &email).await.status, 200);
    }
    refused(
        &set_email(&server, &sam, &json!("sam@example.org")).await,
        429,
        "rate_limited",
    );
    assert_eq!(set_email(&server, &sam, &Value::Null).await.status, 200);
    assert_eq!(server.get("/config").send().await.json["mail"], true);
    server.stop().await;
}

#[tokio::test]
async fn without_a_mail_server_there_are_no_addresses() {
    let server = Server::start().await;
    let sam = server.person("sam").await;
    assert_eq!(server.get("/config").send().await.json["mail"], false);
    refused(
        &set_email(&server, &sam, &json!("sam@example.org")).await,
        409,
        "mail_unavailable",
    );
    refused(&forget(&server, "sam@example.org").await, 409, "mail_unavailable");
    let given = json!({"username": "zed", "password": "correct horse", "email": "zed@example.org"});
    refused(
        &server.post("/auth/register", &given).send().await,
        409,
        "mail_unavailable",
    );
    server.stop().await;
}
