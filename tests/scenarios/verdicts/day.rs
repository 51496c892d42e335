//! A day of looks at one connection: the real decisions, a real server, and a clock that moves by what they wait for.

use bitbucket_simulator::{Fault, Matches};

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// Lives through a day, with a new process each so many hours. How often the server was asked.
async fn day(simulator: &Simulator, credentials: Credentials, hours: u64) -> usize {
    let mut connection = Connection::new(&simulator.url(), credentials, case().way);
    assert_eq!(connection.spec.schedule, "0 * * * *");
    assert_eq!(Duration::from(connection.spec.verify_interval), Duration::from_mins(10));
    let mut clock = Clock::new();
    let morning = clock.now;
    let (mut process, mut begun, mut looks) = (Process::new(), morning, 0);
    simulator.clear_requests();
    while clock.now - morning < DAY {
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

/// Something on the way hides what Bitbucket says of the password. Nobody knows whether it was wrong, and no process sends it until the
/// fifth time.
#[tokio::test]
async fn a_password_that_nobody_judges_is_sent_a_few_times_by_all_processes_together() {
    let login = Action::Status { status: 401, headers: vec![], body: "<html>Log in</html>".to_owned() };
    let redirect = Action::Redirect { status: 302, location: "/login".to_owned() };
    for (hidden, most) in [(login, 1), (Action::Drop, 4), (redirect, 4), (Action::Html200, 4)] {
        for hours in [24, 1] {
            let (s, _folder) = bitbucket().await;
            s.faults().push(Fault::new(hidden.clone()).matches(Matches::User("reader".to_owned())));
            day(&s, password("reader", "wrong-hunter2"), hours).await;
            let sent = s.requests().iter().filter(|seen| seen.scheme.is_some()).count();
            assert_eq!(sent, most, "{hidden:?}, with a new process each {hours} hours");
        }
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
