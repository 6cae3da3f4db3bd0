//! What is kept from one delivery to the next: connections, names, TLS sessions; and what becomes of a delivery whose
//! connection was not kept by the target.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::net::TcpStream;

use super::receiver::{Manners, Receiver, Seen, Speaks};
use super::*;

/// As many messages as a batch has at most.
const BATCH: usize = 10;
/// More invocations than it takes to see that something is opened in each.
const INVOCATIONS: usize = 50;
/// What an attempt takes at most as a rule.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Looks names up on this host and counts how often.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Lookup for Counting {
    async fn lookup(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }
}

fn counting_sender(receiver: &Receiver) -> (Arc<Counting>, HttpSender) {
    let allow = AllowList::parse(&format!("{NAME}:{}", receiver.port)).unwrap();
    let lookup = Arc::<Counting>::default();
    let policy = DestinationPolicy::new(allow, None);
    let names: Arc<dyn Lookup> = Arc::<Counting>::clone(&lookup);
    (lookup, HttpSender::new(policy, names, EXCHANGE_MAX).unwrap())
}

/// Sends so many at once, all of which must be answered.
async fn send_batch(sender: &HttpSender, port: u16, messages: usize) {
    for outcome in join_all((0..messages).map(|_| send(sender, NAME, port))).await {
        assert_eq!((outcome.result, outcome.answer.as_str()), (Ok(200), "arrived"));
        assert_eq!(outcome.retry_after.as_deref(), Some("7"));
    }
}

/// Waits until the server has ended so many connections, and until whatever it sent has arrived: an exchange with it that
/// began later is over.
async fn ended(receiver: &Receiver, connections: usize) {
    while Seen::count(&receiver.seen.ended) < connections {
        tokio::task::yield_now().await;
    }
    drop(TcpStream::connect(("127.0.0.1", receiver.port)).await.unwrap());
}

#[tokio::test]
async fn f23_connections_names_and_sessions_outlive_invocations() {
    let name = "kept::f23_connections_names_and_sessions_outlive_invocations";
    trusting_one_authority(name, async |trusted| {
        let receiver = Receiver::start(trusted.certify(NAME), Manners::of(Speaks::Http1)).await;
        let (lookups, sender) = counting_sender(&receiver);
        for _ in 0..INVOCATIONS {
            send_batch(&sender, receiver.port, BATCH).await;
        }
        let seen = &receiver.seen;
        assert_eq!(Seen::count(&seen.requests), INVOCATIONS * BATCH);
        let connections = Seen::count(&seen.connections);
        assert!(connections <= BATCH, "{connections} handshakes");
        let names_looked_up = lookups.0.load(Ordering::SeqCst);
        assert!(names_looked_up <= BATCH, "{names_looked_up} lookups");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_target_closed_while_idle_costs_no_delivery() {
    let name = "kept::a_connection_that_the_target_closed_while_idle_costs_no_delivery";
    trusting_one_authority(name, async |trusted| {
        let manners = Manners { requests_per_connection: 1, ..Manners::of(Speaks::Http1) };
        let receiver = Receiver::start(trusted.certify(NAME), manners).await;
        let (_, sender) = counting_sender(&receiver);
        for delivery in 1..=INVOCATIONS {
            send_batch(&sender, receiver.port, 1).await;
            ended(&receiver, delivery).await;
        }
        let seen = &receiver.seen;
        assert_eq!(Seen::count(&seen.requests), INVOCATIONS, "none was sent twice");
        assert_eq!(Seen::count(&seen.connections), INVOCATIONS);
        // The first one has nothing to resume.
        assert_eq!(Seen::count(&seen.resumed), INVOCATIONS - 1);
    })
    .await;
}

#[tokio::test]
async fn an_http2_target_is_sent_many_requests_over_one_connection() {
    let name = "kept::an_http2_target_is_sent_many_requests_over_one_connection";
    trusting_one_authority(name, async |trusted| {
        let receiver = Receiver::start(trusted.certify(NAME), Manners::of(Speaks::Http2)).await;
        let (lookups, sender) = counting_sender(&receiver);
        send_batch(&sender, receiver.port, 1).await;
        for _ in 0..INVOCATIONS {
            send_batch(&sender, receiver.port, BATCH).await;
        }
        let seen = &receiver.seen;
        assert_eq!(Seen::count(&seen.requests), INVOCATIONS * BATCH + 1);
        assert_eq!((Seen::count(&seen.connections), lookups.0.load(Ordering::SeqCst)), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn the_requests_of_a_batch_are_under_way_at_once_over_http2() {
    let name = "kept::the_requests_of_a_batch_are_under_way_at_once_over_http2";
    trusting_one_authority(name, async |trusted| {
        // It answers none before it has all.
        let manners = Manners { together: BATCH, ..Manners::of(Speaks::Http2) };
        let receiver = Receiver::start(trusted.certify(NAME), manners).await;
        let (_, sender) = counting_sender(&receiver);
        for _ in 0..INVOCATIONS {
            send_batch(&sender, receiver.port, BATCH).await;
        }
        assert_eq!(Seen::count(&receiver.seen.requests), INVOCATIONS * BATCH);
        assert!(Seen::count(&receiver.seen.connections) <= BATCH);
    })
    .await;
}

#[tokio::test]
async fn an_http2_target_that_ends_its_connections_in_good_order_costs_no_delivery() {
    let name = "kept::an_http2_target_that_ends_its_connections_in_good_order_costs_no_delivery";
    trusting_one_authority(name, async |trusted| {
        let manners = Manners { requests_per_connection: 3, ..Manners::of(Speaks::Http2) };
        let receiver = Receiver::start(trusted.certify(NAME), manners).await;
        let (_, sender) = counting_sender(&receiver);
        for _ in 0..INVOCATIONS {
            send_batch(&sender, receiver.port, BATCH).await;
        }
        assert_eq!(Seen::count(&receiver.seen.requests), INVOCATIONS * BATCH, "none is sent twice");
        assert!(Seen::count(&receiver.seen.connections) > 1);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_an_http2_target_refuses_to_look_at_is_sent_again_in_the_same_attempt() {
    let name =
        "kept::a_request_that_an_http2_target_refuses_to_look_at_is_sent_again_in_the_same_attempt";
    trusting_one_authority(name, async |trusted| {
        for (refused, result) in [(1, Ok(200)), (2, Ok(200)), (3, Err(ErrorKind::Network))] {
            let manners = Manners { refused, ..Manners::of(Speaks::Http2) };
            let receiver = Receiver::start(trusted.certify(NAME), manners).await;
            let (_, sender) = counting_sender(&receiver);
            let outcome = send(&sender, NAME, receiver.port).await;
            assert_eq!(outcome.result, result, "{refused}");
            assert_eq!(Seen::count(&receiver.seen.refused), refused);
            assert_eq!(Seen::count(&receiver.seen.requests), usize::from(result.is_ok()));
        }
    })
    .await;
}

#[tokio::test]
async fn an_http2_connection_that_gives_no_sign_of_life_is_ended_before_the_attempt_is() {
    let name =
        "kept::an_http2_connection_that_gives_no_sign_of_life_is_ended_before_the_attempt_is";
    trusting_one_authority(name, async |trusted| {
        let manners = Manners { dead: 1, ..Manners::of(Speaks::Http2) };
        let receiver = Receiver::start(trusted.certify(NAME), manners).await;
        let (_, sender) = counting_sender(&receiver);
        let begun = std::time::Instant::now();
        let outcome = send_within(&sender, NAME, receiver.port, ATTEMPT).await;
        assert!(outcome.result.is_err(), "{:?}", outcome.result);
        assert!(begun.elapsed() < ATTEMPT, "{:?}", begun.elapsed());
        // The next one is not sent into it.
        assert_eq!(send(&sender, NAME, receiver.port).await.result, Ok(200));
        assert_eq!(Seen::count(&receiver.seen.connections), 2);
    })
    .await;
}
