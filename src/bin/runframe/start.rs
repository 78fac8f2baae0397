//! What can be set right only before `main`, or below it: streams that are closed, signals of limits, memory that is refused.
//!
//! The only unsafe code of the program; the standard library has no safe word for any of it.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's memory. Where it is refused the program ends with an error and without half-written files, rather than abort.
struct Memory;

#[global_allocator]
static MEMORY: Memory = Memory;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Memory {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        given(unsafe { System.realloc(at, layout, size) }, size)
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[inline]
fn given(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        crate::around::end_without_memory(bytes);
    }
    memory
}

#[cfg(unix)]
mod before_main {
    use std::ffi::{c_char, c_int};

    unsafe extern "C" {
        fn open(path: *const c_char, flags: c_int, ...) -> c_int;
        fn close(file: c_int) -> c_int;
        fn signal(number: c_int, handler: usize) -> usize;
    }

    const READ_ONLY: c_int = 0;
    const IGNORE: usize = 1;
    /// A file grows beyond `ulimit -f`; it has this number on every Unix but some MIPS.
    const SIGXFSZ: c_int = 25;

    /// Called by the loader, before Rust's own start.
    extern "C" fn prepare() {
        // SAFETY: the text ends in a zero, and no other thread exists yet.
        unsafe {
            // Rust would open /dev/null for a closed standard output, which takes all data and keeps none. What can only be read
            // refuses them, so that the error shows. Standard error comes after it, and Rust's way is right there.
            let mut file = open(c"/dev/null".as_ptr(), READ_ONLY);
            while (0..1).contains(&file) {
                file = open(c"/dev/null".as_ptr(), READ_ONLY);
            }
            if file > 1 {
                close(file);
            }
            // The write fails then, and says so, where the signal would end the program.
            signal(SIGXFSZ, IGNORE);
        }
    }

    #[used]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
    static PREPARE: extern "C" fn() = prepare;
}
