# Of a checkout: nix-build -E 'with import <nixpkgs> {}; callPackage ./dist/nix/package.nix {}'
{ lib, rustPlatform, installShellFiles, stdenv }:

let
  cargo = lib.importTOML ../../Cargo.toml;
in
rustPlatform.buildRustPackage {
  pname = cargo.package.name;
  version = cargo.package.version;

  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;

  nativeBuildInputs = [ installShellFiles ];

  # nixpkgs has no C library for static programs where build/link.rs looks for one.
  env.P5SPY_DYNAMIC = "1";

  # The tests look at /usr/bin/perl.
  doCheck = false;

  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/p5-spy man -o man
    installManPage man/*.1
    installShellCompletion --cmd p5-spy \
      --bash <($out/bin/p5-spy completions bash) \
      --zsh <($out/bin/p5-spy completions zsh) \
      --fish <($out/bin/p5-spy completions fish)
  '';

  meta = {
    description = cargo.package.description;
    license = lib.licenses.gpl3Only;
    mainProgram = "p5-spy";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
