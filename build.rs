//! Gives what links to libtorch an rpath, so that it runs without `LD_LIBRARY_PATH`: `lib` beside the folder of the
//! binary first, for an installed copy, then the libtorch that it was built with.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib");
    if let Some(prefix) = std::env::var_os("LIBTORCH") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}/lib", prefix.to_string_lossy());
    }
}
