"""Training of the face detector `edge`: scenes, composed pictures, targets, network, loss."""
