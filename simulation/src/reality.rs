//! Clock, waiting and randomness of a simulated process: the seed's instead of the machine's.
//!
//! Everything above (Tokio's timers, `HashMap`, UUIDs, `rand`, `SystemTime`) asks the C library for these three things, and the linker gives the functions
//! below to it: time moves only where nothing else is left to do, and then at once to the next timer. Before [`enter`] they do what the system does.

#![expect(unsafe_code, reason = "three functions of the C library are replaced, in this file only: argued in ARCHITECTURE.md")]

use std::{
    ffi::{c_int, c_uint},
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
};

static SIMULATED: AtomicBool = AtomicBool::new(false);
static RANDOM: AtomicU64 = AtomicU64::new(0);
static MONOTONIC_NANOS: AtomicI64 = AtomicI64::new(0);
static WALL_OFFSET_NANOS: AtomicI64 = AtomicI64::new(0);

const NANOS: i64 = 1_000_000_000;
/// When a run begins, by its monotonic clock and by its wall clock.
const BEGIN: i64 = 1_000 * NANOS;
const WALL_BEGIN: i64 = 1_780_000_000 * NANOS;

/// From now on this process' time and randomness are the seed's.
pub(crate) fn enter(seed: u64) {
    RANDOM.store(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03, SeqCst);
    MONOTONIC_NANOS.store(BEGIN, SeqCst);
    WALL_OFFSET_NANOS.store(WALL_BEGIN - BEGIN, SeqCst);
    SIMULATED.store(true, SeqCst);
}

/// Milliseconds since the run began.
pub(crate) fn elapsed_ms() -> i64 {
    (MONOTONIC_NANOS.load(SeqCst) - BEGIN) / 1_000_000
}

/// The wall clock jumps; the monotonic one does not.
pub(crate) fn jump_wall_clock(seconds: i64) {
    WALL_OFFSET_NANOS.fetch_add(seconds * NANOS, SeqCst);
}

/// SplitMix64.
fn next_random() -> u64 {
    let mut z = RANDOM.fetch_add(0x9E37_79B9_7F4A_7C15, SeqCst).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, len: usize, flags: c_uint) -> isize {
    if !SIMULATED.load(SeqCst) {
        // SAFETY: the system call with our caller's own arguments.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, len, flags) } as isize;
    }
    for at in 0..len {
        // SAFETY: our caller owns `len` bytes at `buffer`.
        unsafe { buffer.add(at).write(next_random().to_le_bytes()[0]) };
    }
    len.cast_signed()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if !SIMULATED.load(SeqCst) {
        // SAFETY: the system call with our caller's own arguments.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } as c_int;
    }
    let wall = if clock == libc::CLOCK_REALTIME || clock == libc::CLOCK_REALTIME_COARSE { WALL_OFFSET_NANOS.load(SeqCst) } else { 0 };
    let now = MONOTONIC_NANOS.load(SeqCst) + wall;
    // SAFETY: our caller owns the timespec.
    unsafe { time.write(libc::timespec { tv_sec: now / NANOS, tv_nsec: now % NANOS }) };
    0
}

/// Tokio calls this when it has nothing to do: what is ready is told, else time passes.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut libc::epoll_event, max: c_int, timeout_ms: c_int) -> c_int {
    let simulated = SIMULATED.load(SeqCst);
    let patience = if simulated { 0 } else { timeout_ms };
    let no_mask = std::ptr::null::<libc::sigset_t>();
    // SAFETY: the system call with our caller's own arguments, without a signal mask.
    let ready = unsafe { libc::syscall(libc::SYS_epoll_pwait, epoll, events, max, patience, no_mask, 8) } as c_int;
    if simulated && ready == 0 {
        assert!(timeout_ms >= 0, "nothing is left that could ever happen");
        MONOTONIC_NANOS.fetch_add(i64::from(timeout_ms) * 1_000_000, SeqCst);
    }
    ready
}
