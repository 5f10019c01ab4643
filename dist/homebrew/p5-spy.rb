# Made by dist/release of its template: @VERSION@ and the sum are those of the source archive.
class P5Spy < Formula
  desc "Sampling profiler for running Perl programs"
  homepage "@HOMEPAGE@"
  url "@URL@/p5-spy-@VERSION@.tar.gz"
  sha256 "@SHA256 p5-spy-@VERSION@.tar.gz@"
  license "GPL-3.0-only"

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"p5-spy", "completions")
    man1.mkpath
    system bin/"p5-spy", "man", "-o", man1
  end

  def caveats
    on_macos do
      <<~EOS
        macOS lets nobody read its own /usr/bin/perl: run your programs with Homebrew's perl.
        To read processes, use sudo, or sign p5-spy as a debugger once:
          p5-spy setup
      EOS
    end
  end

  test do
    assert_equal "p5-spy #{version}", shell_output("#{bin}/p5-spy --version").strip
    assert_match "there is no process", shell_output("#{bin}/p5-spy dump --pid 2147483647 2>&1", 1)
  end
end
