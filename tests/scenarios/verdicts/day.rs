//! A day of looks at one connection: the real decisions, a real server, and a clock that moves by what they wait for.

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Lives through a day, with a new process each so many hours. How often the server was asked.
async fn day(simulator: &Simulator, credentials: Credentials, hours: u64) -> usize {
    let mut connection = Connection::new(&simulator.url(), credentials, case().way);
    connection.spec.schedule = "0 * * * *".to_owned();
    assert_eq!(Duration::from(connection.spec.verify_interval), Duration::from_mins(10));
    let mut clock = Clock::new();
    let begin = clock.now;
    let (mut process, mut begun, mut looks) = (Process::new(), begin, 0);
    simulator.clear_requests();
    while clock.now - begin < DAY {
        if clock.now - begun >= Duration::from_hours(hours) {
            (process, begun) = (Process::new(), clock.now);
        }
        clock.pass(process.look(&mut connection, clock).await);
        looks += 1;
    }
    assert!((144..1000).contains(&looks), "{looks} looks: one each interval, and few more");
    simulator.requests_to("/application-properties").len()
}

#[tokio::test]
async fn a_wrong_password_is_one_failed_login() {
    let (s, _folder) = bitbucket().await;
    for (hours, failed) in [(24, 1), (5, 2), (1, 3)] {
        assert_eq!(day(&s, password("reader", "wrong-hunter2"), hours).await, 1);
        assert_eq!(s.failed_logins("reader"), failed, "one a day, with a new process each {hours} hours");
    }
}

#[tokio::test]
async fn everything_else_is_asked_again_by_itself() {
    let (s, _folder) = bitbucket().await;
    let unknown = day(&s, Credentials::Token("gone-hunter2".into()), 24).await;
    assert!((24..=27).contains(&unknown), "hourly: {unknown}");
    let good = day(&s, password("reader", "hunter2"), 24).await;
    assert!((144..=160).contains(&good), "each ten minutes: {good}");
}
