# SPDX-License-Identifier: MIT
# fish completion for paraclock(1)

complete -c paraclock -f

# __paraclock_in COMMAND ...: is the command one of these?
function __paraclock_in
    set -l words (commandline -opc)
    for word in $words[2..]
        string match -q -- '-*' $word; and continue
        contains -- $word $argv
        return
    end
    return 1
end

# __paraclock_option COMMANDS OPTION ...: the rest is complete(1)'s.
function __paraclock_option
    complete -c paraclock -n "__paraclock_in $argv[1]" $argv[2..]
end

set -l commands status read cross decode watch events record plot keep agent \
    feed serve export alarm simulate bench
set -l new 'not __paraclock_in '"$commands"' help'
complete -c paraclock -n $new -a status -d 'List the clocks that are here'
complete -c paraclock -n $new -a read -d 'Read a clock'
complete -c paraclock -n $new -a cross -d 'Read a clock and the system clocks'
complete -c paraclock -n $new -a decode -d 'Say what a saved page means'
complete -c paraclock -n $new -a watch -d 'Follow a clock'
complete -c paraclock -n $new -a events -d 'Print disruptions'
complete -c paraclock -n $new -a record -d 'Write readings to a file'
complete -c paraclock -n $new -a plot -d 'Make a picture of a record'
complete -c paraclock -n $new -a keep -d 'Keep CLOCK_REALTIME right'
complete -c paraclock -n $new -a agent -d 'Answer the host about the clock'
complete -c paraclock -n $new -a feed -d 'Feed chronyd, ntpd or a pipe'
complete -c paraclock -n $new -a serve -d 'Publish bounded UTC'
complete -c paraclock -n $new -a export -d 'Export metrics for Prometheus'
complete -c paraclock -n $new -a alarm -d 'Say OK, WARNING or CRITICAL'
complete -c paraclock -n $new -a simulate -d 'Play a simulated host'
complete -c paraclock -n $new -a bench -d 'Measure what a read costs'
complete -c paraclock -n $new -a help -d 'Explain a command'
complete -c paraclock -n '__paraclock_in help' -a "$commands"

complete -c paraclock -s h -l help -d 'Show the help'
complete -c paraclock -l usage -d 'Show the options alone'
complete -c paraclock -s V -l version -d 'Show the version'
set -l without_json record plot export help
complete -c paraclock -n "not __paraclock_in $without_json" -s j -l json \
    -d 'Print JSON'

set -l source read cross watch events record keep agent serve export alarm feed
__paraclock_option "$source" -s b -l backend -x -d 'Read this backend' \
    -a 'kvmclock kvm-pairing kvm-host hyperv vmclock phc tsc served'
__paraclock_option "$source" -s d -l device -r -F -d 'The device or page file'
__paraclock_option "status $source" -l timescale -x \
    -d 'The timescales that will do' -a 'utc tai monotonic utc-maybe-smeared'
__paraclock_option "$source" -l fixed-size -d 'The file never gets shorter'
__paraclock_option 'events keep agent serve feed' -l dev-mem \
    -d 'Look for pages in physical memory'

set -l times read cross watch record
__paraclock_option "$times events feed" -s n -l count -x -d 'How many'
__paraclock_option "$times" -s i -l interval -x -d 'Seconds between readings'
__paraclock_option 'keep serve export feed' -l interval -x \
    -d 'Seconds between readings'
__paraclock_option read -s l -l long -d 'Print all of a reading'
__paraclock_option 'record plot' -s o -l output -r -F -d 'Write this file'
__paraclock_option record -s t -l duration -x -d 'How many seconds'
__paraclock_option plot -F
__paraclock_option decode -a 'pvclock hyperv vmclock'
__paraclock_option decode -s p -l page -r -F -d 'The page'
__paraclock_option decode -s c -l counter -x -d 'The counter value'

set -l steer keep agent
__paraclock_option "$steer" -l on-disruption -x -a 'step slew report' \
    -d 'After a disruption'
__paraclock_option "$steer" -l otherwise -x -a 'report slew' \
    -d 'At other times'
__paraclock_option "$steer" -l step-above -x -d 'Step larger errors, s'
__paraclock_option "$steer" -l max-step -x -d 'The largest correction, s'
__paraclock_option "$steer" -l backwards -d 'May step backwards'
__paraclock_option "$steer" -l dry-run -d 'Change nothing'
__paraclock_option "$steer serve feed" -l assume-error -x \
    -d 'The bound of a source that states none, s'
__paraclock_option "$steer serve" -l container -d 'Run in a container'
__paraclock_option "$steer serve feed export alarm" -l dir -x \
    -a '(__fish_complete_directories)' -d 'The folder of the service'
__paraclock_option "$steer" -l vsock -x -d 'Listen on this port'

__paraclock_option keep -l exec -r -F -d 'Run after a step'
__paraclock_option 'keep export' -l once -d 'Once, and exit'
__paraclock_option keep -l boot -d 'Early in the boot'
__paraclock_option keep -l wait -x -d 'Wait for a source, s'
__paraclock_option keep -l within -x -d 'How near is right, s'
__paraclock_option keep -l sync -d 'Ask the running keep'

__paraclock_option agent -l port -r -F -d 'The virtio-serial port'
__paraclock_option 'agent export' -l listen -r -F -d 'Listen here'
__paraclock_option agent -l upstream -r -F -d 'The socket of qemu-ga'
__paraclock_option agent -l keep -d 'Correct after disruptions too'

__paraclock_option serve -l from -x -a 'host kernel' \
    -d 'What the time comes from'
__paraclock_option serve -l drift-ppm -x -d 'How fast the bound grows'
__paraclock_option serve -l max-slew-ppm -x -d 'How fast chronyd slews'
__paraclock_option serve -l clockbound -r -F -d 'The segment of ClockBound'
__paraclock_option 'serve feed' -l chronyc-socket -r -F \
    -d 'The socket of chronyd'

__paraclock_option export -l textfile -r -F -d 'Write this file'
__paraclock_option export -l format -x -a 'openmetrics prometheus' \
    -d 'Of the metrics'

__paraclock_option feed -l chrony-sock -r -F -d 'The socket of a refclock'
__paraclock_option feed -l ntp-shm -x -d 'The unit of a refclock'
__paraclock_option feed -l stdout -d 'Print samples'
__paraclock_option feed -l poll -x -d 'The logarithm of the period'
__paraclock_option feed -l delay -x -d 'The delay of chrony.conf'
__paraclock_option feed -l start-utc -x -d 'When the clock started'
__paraclock_option feed -l no-reset -d 'Leave what chronyd measured'
__paraclock_option feed -l print-config -d 'Print lines for chrony.conf'

__paraclock_option alarm -l warn-offset -x -d 'Warn beyond, s'
__paraclock_option alarm -l max-offset -x -d 'Critical beyond, s'
__paraclock_option alarm -l max-bound -x -d 'Critical if the bound is wider, s'
__paraclock_option alarm -l since-disruption -x \
    -d 'Warn for so long after one, s'

__paraclock_option simulate -F
__paraclock_option simulate -l check -d 'Only check the script'
__paraclock_option simulate -s r -l realtime -d 'Let it run in real time'
__paraclock_option simulate -s d -l dir -x \
    -a '(__fish_complete_directories)' -d 'Write the pages here'
__paraclock_option simulate -l into -r -F -d 'Write the page into this file'
__paraclock_option simulate -l at -x -d 'Stop at this time'

__paraclock_option bench -s s -l seconds -x -d 'How long to measure'
__paraclock_option bench -l keep -x -a '(__fish_complete_directories)' \
    -d 'The folder of keep'
