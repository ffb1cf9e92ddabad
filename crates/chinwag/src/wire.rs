//! Builds the parts, joins them, runs them and stops them in order.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chinwag_backends::{DiskBlobs, SmtpMailer, SqlStore};
use chinwag_engine::{App, AppOptions, Engine, KeyPair, Namespace, Secret};
use chinwag_messenger::{Feed, Messenger, NoFeed, Options};
use chinwag_protocol::pusher::cache_namespaces;
use chinwag_server::apps::{AppAdmin, AppLoader};
use chinwag_server::laravel::ChannelRules;
use chinwag_server::listen::{self, ListenOptions};
use chinwag_server::mail::send_mail;
use chinwag_server::messenger::admin::Console;
use chinwag_server::messenger::apps::AppsApi;
use chinwag_server::messenger::presence::Presence;
use chinwag_server::messenger::whispers::Whispers;
use chinwag_server::messenger::{ApiOptions, MessengerApi, feed, sweep};
use chinwag_server::metrics::{self, Health};
use chinwag_server::push::{self, PushOptions, Vapid};
use chinwag_server::pusher::{PusherApi, Rates, nobody};
use chinwag_server::tls::Certificate;
use chinwag_server::traffic::Sampler;
use chinwag_server::webhooks::{HttpCourier, WebhookOptions, WebhookTask, Webhooks};
use chinwag_server::{Counts, Quota, WorkerOptions, Workers, router};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, MESSENGER_APP};
use crate::secrets::Secrets;

/// How long a receiver of webhooks may take to answer.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an application may take to say who may join a channel, while a page waits for it.
const CHANNEL_RULE_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything must have stopped by then.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Opens the store: PostgreSQL's when there is an address, else SQLite's in the data folder. Creates the folder, which
/// holds the secrets in any case, and what is missing of the store.
///
/// # Errors
/// When the folder or the database cannot be used.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<Arc<SqlStore>> {
    let data_dir = &config.data_dir;
    fs::create_dir_all(data_dir)
        .with_context(|| format!("creating the data folder {}", data_dir.display()))?;
    let store = match &config.database_url {
        Some(url) => SqlStore::open_postgres(url.reveal())
            .await
            .context("database_url")?,
        None => {
            let path = data_dir.join("chinwag.sqlite");
            SqlStore::open(&path)
                .await
                .with_context(|| format!("opening {}", path.display()))?
        }
    };
    Ok(Arc::new(store))
}

/// A messenger that tells nobody, for the command line.
///
/// # Errors
/// When the store cannot be opened.
pub(crate) async fn quiet_messenger(config: &Config) -> anyhow::Result<(Arc<SqlStore>, Messenger)> {
    let store = open_store(config).await?;
    let messenger = Messenger::new(store.clone(), Arc::new(NoFeed), messenger_options(config));
    Ok((store, messenger))
}

/// The same with the place for files.
///
/// # Errors
/// When that cannot be used.
pub(crate) fn messenger_with_files(config: &Config, store: &Arc<SqlStore>) -> anyhow::Result<Messenger> {
    let messenger = Messenger::new(store.clone(), Arc::new(NoFeed), messenger_options(config));
    with_files(messenger, &config.files_dir)
}

fn messenger_options(config: &Config) -> Options {
    Options {
        registration: config.registration,
        mail_links: config.mail.as_ref().and(config.public_url.clone()),
        ..config.limits.clone()
    }
}

/// The apps of the store, next to those of the settings.
pub(crate) fn app_admin(config: &Config, store: Arc<SqlStore>) -> AppAdmin {
    let others = config.apps.iter().map(|app| app.id.clone());
    let own = [config.app_id.clone(), MESSENGER_APP.to_owned()];
    AppAdmin::new(store, others.chain(own))
}

/// Has the engine tell of what happens in apps that have webhooks.
fn watch(config: &Config, engine: &Arc<Engine>, store: &Arc<SqlStore>) -> anyhow::Result<WebhookTask> {
    let courier = HttpCourier::new(WEBHOOK_TIMEOUT, config.webhook_private_addresses)
        .map_err(anyhow::Error::msg)
        .context("preparing webhooks")?;
    let options = WebhookOptions {
        batch: config.webhook_batch,
        ..WebhookOptions::default()
    };
    let (webhooks, task) = Webhooks::new(engine.clone(), store.clone(), Arc::new(courier), options);
    engine.watch(webhooks);
    Ok(task)
}

fn add_app(
    engine: &Engine,
    id: &str,
    key: &str,
    secret: &str,
    options: AppOptions,
    namespaces: Vec<Namespace>,
) -> anyhow::Result<Arc<App>> {
    let pair = KeyPair {
        key: key.to_owned(),
        secret: Secret::new(secret),
    };
    engine
        .apps
        .add(id, vec![pair], options, namespaces)
        .with_context(|| format!("app {id}: its id or key is taken"))
}

/// Gives the messenger the place for files. What is still arriving lies in a folder of its own beside them.
fn with_files(messenger: Messenger, folder: &Path) -> anyhow::Result<Messenger> {
    let context = || format!("using the folder for files {}", folder.display());
    let blobs = DiskBlobs::open(folder).with_context(context)?;
    messenger
        .with_files(Arc::new(blobs), &folder.join("arriving"))
        .with_context(context)
}

/// Two servers on one data folder would each think themselves alone.
pub(crate) fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!("another server runs on {}", data_dir.display());
    }
    Ok(file)
}

/// Runs the server until `stop`.
///
/// # Errors
/// When a part cannot be built. Afterwards nothing is an error any more.
pub(crate) async fn serve(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
    let store = open_store(&config).await?;
    let _lock = lock(&config.data_dir)?;
    let secrets = Secrets::load(&config.data_dir)?;
    let mailer = match &config.mail {
        Some((server, from)) => Some(
            SmtpMailer::new(server.reveal(), from)
                .map_err(anyhow::Error::msg)
                .context("mail.smtp_url and mail.from")?,
        ),
        None => None,
    };
    let certificate = match &config.tls {
        Some((certificate, key)) => {
            Some(Certificate::load(certificate, key).context("reading the TLS files")?)
        }
        None => None,
    };
    let listen_options = ListenOptions {
        head_timeout: config.head_timeout,
        connections_max: config.http_connections_max,
        ..ListenOptions::default()
    };
    // Over TLS one thread accepts, in the clear each worker does.
    let sockets = if certificate.is_some() { 1 } else { config.workers };
    let sockets = listen::bind_for(config.listen, &listen_options, sockets)
        .with_context(|| format!("listening on {}", config.listen))?;
    let address = sockets.local_addr().context("reading the address")?;

    let metrics_listener = match config.metrics_listen {
        None => None,
        Some(address) => Some(
            listen::bind(address, &listen_options)
                .with_context(|| format!("listening on {address} for metrics"))?,
        ),
    };

    let engine = Arc::new(Engine::in_memory());
    let (key, secret) = config
        .app_keys
        .clone()
        .unwrap_or((secrets.app_key, secrets.app_secret));
    let app_pair = KeyPair {
        key: key.clone(),
        secret: Secret::new(&secret),
    };
    let namespaces = cache_namespaces(config.cache_ttl_ms);
    add_app(
        &engine,
        &config.app_id,
        &key,
        &secret,
        config.app.clone(),
        namespaces.clone(),
    )?;
    let messenger_app = add_app(
        &engine,
        MESSENGER_APP,
        &secrets.messenger_key,
        &secrets.messenger_secret,
        AppOptions::default(),
        Vec::new(),
    )?;

    for app in &config.apps {
        engine
            .apps
            .add(&app.id, app.keys.clone(), app.options.clone(), namespaces.clone())
            .with_context(|| format!("app {}: its id or a key is taken", app.id))?;
    }
    let mut apps = AppLoader::new(engine.clone(), store.clone(), namespaces);
    apps.look().await.context("loading apps")?;
    let webhook_task = watch(&config, &engine, &store)?;
    let admin = app_admin(&config, store.clone());

    for app in engine.apps.all() {
        engine
            .take_orders(app.number)
            .await
            .context("listening to other nodes")?;
    }

    let mut node = [0; 4];
    getrandom::fill(&mut node).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let quota = Arc::new(Quota::new(
        u32::from_be_bytes(node) % 1_000_000_000 + 1,
        config.connections_max,
    ));
    let worker_options = WorkerOptions {
        queue_bytes_max: config.queue_bytes_max,
    };
    let workers =
        Arc::new(Workers::start(config.workers, &engine, worker_options).context("starting worker threads")?);

    let (event_feed, feed_task) = feed::channel();
    let event_feed: Arc<dyn Feed> = Arc::new(event_feed);
    let messenger = Messenger::new(store.clone(), event_feed, messenger_options(&config));
    let messenger = Arc::new(with_files(messenger, &config.files_dir)?);
    let messenger_app_number = messenger_app.number;
    let presence = Presence::new(messenger_app.number, config.presence);
    engine.observe(presence.clone());
    let (whispers, whispers_task) = Whispers::new(presence.clone());
    engine.guard(messenger_app_number, whispers);
    let counts = Counts::new(&engine);
    engine.observe(counts.clone());
    let asking = HttpCourier::new(CHANNEL_RULE_TIMEOUT, config.webhook_private_addresses)
        .map_err(anyhow::Error::msg)
        .context("preparing rules for channels")?;
    let channel_rules = ChannelRules::new(config.channel_rules, asking, app_pair);
    let vapid = messenger
        .push_key(Vapid::generate()?)
        .await
        .context("reading the key for pushes")?;
    let push_options = PushOptions {
        private_addresses: config.push_private_addresses,
        ..PushOptions::default()
    };
    let (pushes, push_task) = push::channel(Vapid::new(&vapid, config.push_contact)?, push_options)
        .map_err(anyhow::Error::msg)
        .context("preparing pushes")?;
    let api_options = ApiOptions {
        name: config.name.clone(),
        rate_limits: config.rates,
        user_connections_max: config.user_connections_max,
        trust_proxy: config.trust_proxy,
        cors_origins: config.cors_origins,
        stateful_domains: config.stateful_domains,
        channel_rules,
        push: Some(pushes.clone()),
        event_bytes_max: config.event_bytes_max,
        hints: config.hints,
    };
    let messenger_api = MessengerApi::new(
        messenger.clone(),
        engine.clone(),
        messenger_app,
        presence.clone(),
        api_options,
    );
    let admin_api = AppsApi::new(messenger_api.clone(), admin);
    let tasks = TaskTracker::new();
    let pusher_api = Arc::new(PusherApi {
        engine: engine.clone(),
        workers: workers.clone(),
        quota,
        prefix: config.path,
        body_bytes_max: config.request_bytes_max,
        tasks: tasks.clone(),
        rates: Rates::default(),
        nobody: nobody(),
    });

    let background = CancellationToken::new();
    tasks.spawn(counts.run(background.clone()));
    tasks.spawn(feed_task.run(messenger_api.clone(), background.clone()));
    tasks.spawn(presence.run(messenger_api.clone(), background.clone()));
    tasks.spawn(push_task.run(messenger_api.clone(), background.clone()));
    tasks.spawn(whispers_task.run(messenger_api.clone(), background.clone()));
    tasks.spawn(apps.run(background.clone()));
    tasks.spawn(sweep(messenger.clone(), background.clone()));
    tasks.spawn(webhook_task.run(background.clone()));
    if let Some(mailer) = mailer {
        let sending = send_mail(messenger, Arc::new(mailer), config.name, background.clone());
        tasks.spawn(sending);
    }
    let traffic = workers.traffic();
    engine.observe(traffic.log.clone());
    let log = traffic.log.clone();
    tasks.spawn(log.run(engine.clone(), messenger_app_number, background.clone()));
    let sampled = engine.apps.all().iter().map(|app| app.id.clone()).collect();
    tasks.spawn(Sampler::new(traffic.clone(), store.clone()).run(sampled, background.clone()));
    let health = Arc::new(Health {
        workers: workers.clone(),
        statistics: store.clone(),
        pushes: Some(pushes),
        stop: stop.clone(),
    });
    if let Some(listener) = metrics_listener {
        // It answers until everything else has stopped.
        let routes = metrics::router(health.clone());
        let serving = listen::serve(listener, routes, listen_options, background.clone());
        tasks.spawn(async move { serving.await.finish().await });
    }
    let console = Arc::new(Console {
        messenger: messenger_api.clone(),
        pusher: pusher_api.clone(),
        statistics: store.clone(),
    });
    let routes = router(pusher_api.clone(), messenger_api, admin_api, console, health);
    let scheme = if certificate.is_some() { "https" } else { "http" };
    announce(scheme, &address.to_string());
    tracing::info!(%address, "Chinwag is listening");

    let serving = match certificate {
        None => listen::serve_at_workers(sockets, pusher_api, routes, listen_options, stop).await,
        Some(certificate) => {
            let reloading = certificate.clone().reload_on_hangup(background.clone());
            tasks.spawn(reloading.context("listening for SIGHUP")?);
            let listener = sockets.listener().context("registering the socket")?;
            listen::serve_tls(listener, certificate, routes, listen_options, stop).await
        }
    };

    // Nothing new from here on. Finish what is under way and send clients away, side by side; then tell what is
    // still to be told, and close the store last.
    let stopped = tokio::time::timeout(STOP_DEADLINE, async {
        tokio::join!(serving.finish(), workers.stop());
        background.cancel();
        tasks.close();
        tasks.wait().await;
        if let Err(error) = store.close().await {
            tracing::error!(%error, "The store was not closed properly");
        }
    });
    if stopped.await.is_err() {
        tracing::warn!("The server did not stop in time and is cut off");
    }
    tracing::info!("Chinwag has stopped");
    Ok(())
}

/// Says where to go, on standard output, for people and for scripts that wait for it.
#[expect(clippy::print_stdout, reason = "this line is meant for standard output")]
fn announce(scheme: &str, address: &str) {
    let host = address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]");
    println!("Open {scheme}://{host}");
}
