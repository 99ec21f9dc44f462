//! A queue of closures with a method called spawn, without threads.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

struct Scheduler<'a> {
    jobs: Vec<Box<dyn FnOnce() + 'a>>,
}
impl<'a> Scheduler<'a> {
    fn spawn(&mut self, f: impl FnOnce() + 'a) {
        self.jobs.push(Box::new(f));
    }
    fn run(self) {
        for j in self.jobs {
            j();
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m * n == 0 {
        return;
    }
    let mut s = Scheduler { jobs: Vec::new() };
    for (i, row) in c.chunks_mut(n).enumerate() {
        s.spawn(move || {
            // As `sum` starts.
            row.fill(-0.0);
            for p in 0..k {
                let x = a[i * k + p];
                for (sum, &y) in row.iter_mut().zip(&b[p * n..][..n]) {
                    *sum += x * y;
                }
            }
        });
    }
    s.run();
}
