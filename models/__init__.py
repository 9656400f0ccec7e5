"""The models that are installed with edge-app: NAME.tflite and its card NAME.json. Data only; see `edge_app.model_card`."""
