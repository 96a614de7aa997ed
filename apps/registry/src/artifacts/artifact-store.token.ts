/** Injection token of the `ArtifactStore`. */
export const ARTIFACT_STORE = Symbol('artifact store');
/** Injection token of the `PieceStore`. */
export const PIECE_STORE = Symbol('piece store');
