"""The commands whose answers are kept, as one types them."""

from __future__ import annotations

CALM = "--preview none --smoothing 0 --model cifar10-nano"  # no window, and labels that do not depend on time
DRAWN = f"run --source synthetic:seed=1,free {CALM}"

SETTINGS = [
    "edge-app config",
    "LOGS_DIRECTORY=/var/log/edge edge-app config --service",
    "edge-app config --config every.toml",
    "edge-app config --config every_line.toml --service",
    "set -a; . ./every.sh; edge-app config --config every.toml",
    "EDGE_APP_CONFIG=every.toml XDG_CONFIG_HOME=there edge-app config --config rate.toml",
    "EDGE_APP_CONFIG=rate.toml XDG_CONFIG_HOME=there edge-app config",
    "XDG_CONFIG_HOME=there HOME=home edge-app config",
    "XDG_CONFIG_HOME= HOME=home edge-app config",
]

# What goes wrong; beside each command what a message may name that the command itself does not spell out.
REFUSED = {
    # words and flags
    "edge-app bogus": "",
    "edge-app models bogus": "",
    "edge-app --verbose run": "",
    "edge-app run stray": "",
    "edge-app run --fram 1": "",
    "edge-app run --no-realtime": "",
    "edge-app run --rate quick --bogus": "",
    "edge-app run --source": "",
    "edge-app models show": "MODEL",
    # values, of each kind
    "edge-app run --rate quick": "--help",
    "edge-app run --frames 0 --threads 65 --fps 0 --enter 1.5 --smoothing nan --log-keep 1.5 --rate quick": "--help",
    "edge-app run --size 640 --crop 1,2,3 --input-range 5,1 --log ''": "WIDTHxHEIGHT X,Y,W,H --log --help",
    "edge-app run --rotate 45 --flip sideways": "--rotate",
    "edge-app run --flip sideways": "horizontal vertical",
    "edge-app run --preview none --sink lgo:x": "lgo log",
    "edge-app run --preview none --source synthetic --leave 0.9 --enter 0.2": "",
    "edge-app train --name 'a b' --size 5": "--help",
    "edge-app bench --threads 1 99": "--threads",
    # settings and variables
    "edge-app run --config nowhere.toml": "",
    "edge-app run --config no.toml": "TOML",
    "edge-app config --config wrong.toml": "sorce source rate fast modle [model] log_keep many threads",
    "EDGE_APP_RAET=1 EDGE_APP_THREADS=many edge-app run --config wrong.toml": "EDGE_APP_RATE sorce modle log_keep",
    "EDGE_APP_FLIP=sideways edge-app config": "horizontal vertical",
    # sources
    "edge-app run --preview none --source syntetic": "synthetic",
    "edge-app run --preview none --source webcam:/dev/video99": "/dev/video99",
    "edge-app run --preview none --source nowhere.mp4": "",
    "edge-app run --preview none --source empty": "empty",
    "edge-app run --preview none --source broken": "a.jpg",
    # models and their cards
    "edge-app run --preview none --model nowhere.tflite": "cifar10-base",
    "edge-app run --preview none --model bare.tflite": "--labels",
    "edge-app run --preview none --model bare.tflite --labels nowhere.txt": "",
    "edge-app run --preview none --model bare.tflite --labels two.txt": "",
    "edge-app run --preview none --source synthetic --model bare.tflite --labels three.txt --service": "",
    "edge-app models verify damaged.tflite --labels three.txt": "",
    "edge-app models verify changed.tflite": "",
    "edge-app models verify extra.tflite": "extra.json colour",
    "edge-app models verify newer.tflite": "newer.json schema_version",
    "edge-app models verify unreadable.tflite": "unreadable.json",
    # what is read and written
    f"edge-app {DRAWN} --log nowhere/out.jsonl": "",
    "edge-app models show cifar10-nano --json nowhere/card.json": "",
    "edge-app models list >/dev/full": "stdout",
    "edge-app models show cifar10-nano --json /dev/full": "",
    "edge-app evaluate --data empty": "",
    "edge-app bench --compare two.txt": "",
    "edge-app bench --plot figures.zzz": ".png .svg .pdf .html",
    "edge-app bench --single-stream --frames 4 --kind rgb": "",
}
# What ends well though it looks as if it would not, and what says so by its exit code alone.
ENDED = [
    "edge-app",
    "edge-app models",
    "edge-app config >&-",
    f"edge-app {DRAWN} --frames 3 --rate 1 --rate=50 --sink log:a.jsonl --sink log:b.jsonl log:c.jsonl --log /dev/full",
    f"edge-app {DRAWN} --duration 0.5 --log duration.jsonl",
    f"edge-app {DRAWN} --frames 40 --log rotated.jsonl --log-max-mb 0.002 --log-keep 2",
    f"edge-app run --source mixed {CALM} --log mixed.jsonl",
    "edge-app run --source synthetic:free --frames 1 --model bare.tflite --labels three.txt --service --trusted",
    "EDGE_APP_SOURCE=webcam:/dev/video99 edge-app doctor",
]
LOGGED = [
    f"edge-app {DRAWN} --frames 5 --log -",
    f"edge-app {DRAWN} --frames 1",
    f"edge-app {DRAWN} --frames 3 --log-when periodic --log-period 1e-6 --log -",
    f"edge-app run --source photos {CALM} --log -",
    f"edge-app run --source photos {CALM} --crop fit --log-when change --log -",
    f"edge-app run --source photos {CALM} --crop 0,0,500,500 --log -",
    f"edge-app run --source webcam:/dev/video99 {CALM} --service --duration 0.5 --log -",
    f"edge-app {DRAWN} --frames 2 --log torn.jsonl && sed 1d torn.jsonl",
]
