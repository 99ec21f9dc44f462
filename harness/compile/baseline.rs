//! A harmless kernel that uses much of std and rayon: what it links, every honest kernel may link.

use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, OnceLock, RwLock};
use std::time::Duration;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}
static POOL: OnceLock<Option<rayon::ThreadPool>> = OnceLock::new();
static SHARED: OnceLock<Mutex<HashMap<(usize, usize), Vec<f32>>>> = OnceLock::new();
static CALLS: AtomicUsize = AtomicUsize::new(0);

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let pool = POOL.get_or_init(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok());
    let shared = SHARED.get_or_init(|| Mutex::new(HashMap::new()));
    shared.lock().unwrap().insert((m, n), vec![0.0; k]);
    synchronised(threads);
    aligned(k);
    let row = |(i, row): (usize, &mut [f32])| {
        SCRATCH.with(|scratch| scratch.borrow_mut().resize(n, 0.0));
        for (j, out) in row.iter_mut().enumerate() {
            *out = (0..k).map(|p| a[i * k + p].mul_add(b[p * n + j], 0.0)).sum();
        }
    };
    if n > 0 {
        match pool {
            Some(pool) => pool.install(|| c.par_chunks_mut(n).enumerate().for_each(row)),
            None => c.chunks_mut(n).enumerate().for_each(row),
        }
    }
    rayon::join(|| (), || ());
    rayon::scope(|scope| scope.spawn(|_| ()));
    rayon::broadcast(|context| context.index());
    let total: f32 = (0..m).into_par_iter().map(|i| i as f32).sum();
    let mut order: Vec<usize> = (0..n).collect();
    order.par_sort_unstable_by_key(|&j| std::cmp::Reverse(j));
    assert!(!total.is_sign_negative(), "{total:?} {:?}", format!("{order:?}"));
}

fn synchronised(threads: usize) {
    let barrier = Arc::new(Barrier::new(threads));
    let (send, receive) = mpsc::channel::<usize>();
    let ready = (Mutex::new(0usize), Condvar::new());
    let names = RwLock::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for index in 0..threads {
            let (send, barrier) = (send.clone(), Arc::clone(&barrier));
            let (ready, names) = (&ready, &names);
            scope.spawn(move || {
                names.write().unwrap().insert(index, std::thread::current().id());
                *ready.0.lock().unwrap() += 1;
                ready.1.notify_all();
                barrier.wait();
                send.send(index).unwrap();
            });
        }
    });
    drop(send);
    let finished: usize = receive.iter().sum();
    let guard = ready.0.lock().unwrap();
    let (guard, late) = ready.1.wait_timeout(guard, Duration::from_nanos(1)).unwrap();
    let handle = std::thread::Builder::new().name("baseline".into()).stack_size(1 << 20).spawn(move || finished);
    assert!(handle.is_ok_and(|handle| handle.join().is_ok()) && (late.timed_out() || *guard <= threads));
    std::thread::park_timeout(Duration::from_nanos(1));
    std::thread::yield_now();
}

fn aligned(floats: usize) {
    let layout = std::alloc::Layout::from_size_align(4 * floats.max(1), 64).unwrap();
    // SAFETY: the layout is not empty and the block is released with it.
    unsafe {
        let block = std::alloc::alloc_zeroed(layout);
        if block.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        let grown = std::alloc::realloc(block, layout, 2 * layout.size());
        let layout = std::alloc::Layout::from_size_align_unchecked(2 * layout.size(), 64);
        std::alloc::dealloc(grown, layout);
    }
}
