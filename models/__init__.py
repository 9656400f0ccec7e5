"""The models that are installed with edge-app: NAME.tflite and its card NAME.json. See `edge_app.model_card`."""
