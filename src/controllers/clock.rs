//! Waits for an instant of the wall clock, by which law begins and ends.

use std::io;

use jiff::Timestamp;

/// Returns when the wall clock has reached the instant, or has been set while waiting, so that whoever waits looks again.
/// Without an instant it only waits for the clock to be set.
pub async fn reach(instant: Option<Timestamp>) {
    let instant = instant.unwrap_or(Timestamp::MAX);
    if let Err(error) = by_alarm(instant).await {
        tracing::warn!(%error, "no alarm on the wall clock, sleeping in short steps instead");
        by_steps(instant).await;
    }
}

/// An alarm of the kernel on the wall clock itself: it keeps right when the clock is set, and costs nothing while it
/// waits.
#[cfg(target_os = "linux")]
async fn by_alarm(instant: Timestamp) -> io::Result<()> {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    let alarm = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
    // An alarm at zero would be none; a time long past fires at once.
    let wanted = Timespec { tv_sec: instant.as_second().max(1), tv_nsec: instant.subsec_nanosecond().max(0).into() };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(&alarm, flags, &Itimerspec { it_interval: nothing, it_value: wanted })?;
    #[allow(deprecated, reason = "unsound only for types that lie about their descriptor, and its successor is unsafe")]
    let alarm = AsyncFd::with_interest(alarm, Interest::READABLE)?;
    // Readable means that it fired, or that the clock was set; either way it is time to look.
    alarm.readable().await?.retain_ready();
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn by_alarm(_: Timestamp) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Short steps notice within a second that the clock was set.
async fn by_steps(instant: Timestamp) {
    const STEP: std::time::Duration = std::time::Duration::from_secs(1);
    loop {
        let left = std::time::Duration::try_from(instant.duration_since(Timestamp::now())).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(STEP)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn the_alarm_goes_off_at_its_instant_and_never_before() {
        let instant = Timestamp::now() + Duration::from_millis(300);
        reach(Some(instant)).await;
        let late = Timestamp::now().duration_since(instant);
        assert!(!late.is_negative(), "{late}");
        assert!(late.as_millis() < 200, "{late}");
        // What is past goes off at once.
        tokio::time::timeout(Duration::from_secs(1), reach(Some(Timestamp::MIN))).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), reach(None)).await.is_err());
    }
}
