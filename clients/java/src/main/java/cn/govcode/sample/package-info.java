/**
 * A sample application of a govcode node (政务服务码节点): stubs from the protos alone, SM algorithms by Bouncy Castle.
 *
 * <p>A back-end team copies what it needs; nothing here is published as a library.
 */
package cn.govcode.sample;
