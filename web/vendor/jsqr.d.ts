export * from "jsqr";
export { default } from "jsqr";
