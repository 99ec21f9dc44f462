//! A pool of two threads that sleep between calls.
//!
//! expect: Accepted
//! threads: all
//! tier: unsafe

use std::sync::{mpsc, Arc, Condvar, Mutex, OnceLock};
use std::thread;
type Job = Box<dyn FnOnce() + Send + 'static>;
struct Pool {
    tx: Mutex<mpsc::Sender<Job>>,
}
static POOL: OnceLock<Pool> = OnceLock::new();
fn pool() -> &'static Pool {
    POOL.get_or_init(|| {
        let (tx, rx) = mpsc::channel::<Job>();
        let rx = Arc::new(Mutex::new(rx));
        for _ in 0..2 {
            let rx = rx.clone();
            thread::spawn(move || loop {
                let job = { rx.lock().unwrap().recv() };
                match job {
                    Ok(j) => j(),
                    Err(_) => break,
                }
            });
        }
        Pool { tx: Mutex::new(tx) }
    })
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let done = Arc::new((Mutex::new(0usize), Condvar::new()));
    let jobs = 2usize;
    let (ap, bp, cp) = (
        a.as_ptr() as usize,
        b.as_ptr() as usize,
        c.as_mut_ptr() as usize,
    );
    for t in 0..jobs {
        let done = done.clone();
        let (lo, hi) = (t * m / jobs, (t + 1) * m / jobs);
        pool()
            .tx
            .lock()
            .unwrap()
            .send(Box::new(move || {
                let (a, b, c) = (ap as *const f32, bp as *const f32, cp as *mut f32);
                for i in lo..hi {
                    for j in 0..n {
                        unsafe { *c.add(i * n + j) = 0.0 };
                    }
                    for p in 0..k {
                        for j in 0..n {
                            unsafe { *c.add(i * n + j) += *a.add(i * k + p) * *b.add(p * n + j) };
                        }
                    }
                }
                let (l, cv) = &*done;
                *l.lock().unwrap() += 1;
                cv.notify_all();
            }))
            .unwrap();
    }
    let (l, cv) = &*done;
    let mut g = l.lock().unwrap();
    while *g < jobs {
        g = cv.wait(g).unwrap();
    }
}
